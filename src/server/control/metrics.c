/* server/control/metrics.c — the command metrics: what can be counted, for Prometheus and its like. docs/metrics.md
 * lists all of it.
 *
 * A line is one sample: {"name", "type", "help", "labels", "value"}; of a histogram "bounds", "counts" (one more
 * than bounds, not added up) and "sum" are in place of the value. "help" is in the first line of a name only.
 * What several workers answer is one server's when samples of the same name and labels are made one: they add up,
 * but for those with "merge": "max" or "min". A script goes in one step, as what it counts may be much. */
#include "api/measured.h"
#include "api/runtime.h"
#include "base/bus.h"
#include "base/log.h"
#include "base/meter.h"
#include "base/tap.h"
#include "base/version.h"
#include "base/worker.h"
#include "net/loop.h"
#include "net/tls/certificate.h"
#include "server/control/commands.h"
#include "server/process_facts.h"
#include "server/roles.h"
#include "server/server_state.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What all samples of one name have in common. */
struct family {
  const char *name;
  const char *type;
  const char *help;
  const char *merge; /* NULL: they add up */
};

struct metrics {
  struct control_client *client;
  size_t next_script;          /* before them, the process */
  const struct script *script; /* whose samples these are; NULL: the process's */
  const char *told;            /* the name of the last sample: its help is known */
};

/* --- One sample ------------------------------------------------------------------------------ */

static json_t *metrics_number(double value) {
  bool is_whole = value == (double)(json_int_t)value && value < 9e15 && value > -9e15;
  return is_whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *labels_new(const struct metrics *metrics) {
  json_t *labels = json_object();
  if (metrics->script) {
    json_object_set_new(labels, "script", control_text(metrics->script->path));
  }
  return labels;
}

/* Takes over `labels`, NULL: those that all have. The sample lacks its value. */
static json_t *sample_new(struct metrics *metrics, const struct family *family, json_t *labels) {
  json_t *sample = json_pack("{s:s, s:s, s:o}", "name", family->name, "type", family->type,
                             "labels", labels ? labels : labels_new(metrics));
  bool is_news = !metrics->told || strcmp(metrics->told, family->name) != 0;
  if (is_news) json_object_set_new(sample, "help", control_text(family->help));
  if (family->merge) json_object_set_new(sample, "merge", json_string(family->merge));
  metrics->told = family->name;
  return sample;
}

static void put_labelled(struct metrics *metrics, const struct family *family, json_t *labels,
                         double value) {
  json_t *sample = sample_new(metrics, family, labels);
  json_object_set_new(sample, "value", metrics_number(value));
  control_put(metrics->client, sample);
}

static void metrics_put(struct metrics *metrics, const struct family *family, double value) {
  put_labelled(metrics, family, NULL, value);
}

/* With one more label. */
static void put_with(struct metrics *metrics, const struct family *family, const char *label,
                     const char *text, double value) {
  json_t *labels = labels_new(metrics);
  json_object_set_new(labels, label, control_text(text));
  put_labelled(metrics, family, labels, value);
}

/* A histogram, of which `bounds` and `counts` are taken over. */
static void put_histogram(struct metrics *metrics, const struct family *family, json_t *labels,
                          json_t *bounds, json_t *counts, double sum) {
  json_t *sample = sample_new(metrics, family, labels);
  json_object_set_new(sample, "bounds", bounds);
  json_object_set_new(sample, "counts", counts);
  json_object_set_new(sample, "sum", metrics_number(sum));
  control_put(metrics->client, sample);
}

static json_t *counts_of(const uint64_t *counts, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++) {
    json_array_append_new(list, json_integer((json_int_t)counts[i]));
  }
  return list;
}

static void put_durations(struct metrics *metrics, const struct family *family, json_t *labels,
                          const struct durations *durations) {
  json_t *bounds = json_array();
  for (size_t i = 0; i < DURATION_BOUNDS; i++) {
    json_array_append_new(bounds, json_real((double)duration_bounds_ns[i] / 1e9));
  }
  put_histogram(metrics, family, labels, bounds, counts_of(durations->counts, DURATION_BOUNDS + 1),
                (double)durations->sum_ns / 1e9);
}

/* --- A script -------------------------------------------------------------------------------- */

/* What script_status() tells as a number. */
static const struct row {
  struct family family;
  size_t offset;
  size_t size;
} rows[] = {
#define FIELD(name) offsetof(struct script_status, name), sizeof((struct script_status *)NULL)->name
    {{"moonport_connections", "gauge", "Accepted connections that are open.", NULL},
     FIELD(connections)},
    {{"moonport_outgoing_connections", "gauge", "Open connections that the script made itself.",
      NULL},
     FIELD(outgoing)},
    {{"moonport_connections_accepted_total", "counter", "Connections accepted.", NULL},
     FIELD(accepted)},
    {{"moonport_received_bytes_total", "counter", "Bytes received, over all connections.", NULL},
     FIELD(bytes_in)},
    {{"moonport_sent_bytes_total", "counter", "Bytes sent, over all connections.", NULL},
     FIELD(bytes_out)},
    {{"moonport_output_queue_bytes", "gauge", "Bytes queued for peers that do not take them.",
      NULL},
     FIELD(output_bytes)},
    {{"moonport_output_limit_closed_total", "counter",
      "Connections closed for limits.output or --output-max.", NULL},
     FIELD(output_closed)},
    {{"moonport_tls_handshakes_failed_total", "counter",
      "TLS handshakes of accepted connections that failed.", NULL},
     FIELD(failed_handshakes)},
    {{"moonport_datagrams_lost_total", "counter",
      "Datagrams that the kernel dropped for want of room, of the sockets that are open.", NULL},
     FIELD(datagrams_lost)},
    {{"moonport_datagrams_denied_total", "counter",
      "Datagrams dropped for allow and deny, of the sockets that are open.", NULL},
     FIELD(datagrams_denied)},
    {{"moonport_accept_slowed_total", "counter",
      "How often limits.accept_rate made new connections wait.", NULL},
     FIELD(accept_slowed)},
    {{"moonport_lua_memory_bytes", "gauge", "Memory of the script's Lua state.", NULL},
     FIELD(memory_bytes)},
    {{"moonport_timers", "gauge", "Timers that may still fire.", NULL}, FIELD(timers)},
    {{"moonport_tasks", "gauge", "Spawned tasks that have not ended.", NULL}, FIELD(tasks)},
    {{"moonport_waiting", "gauge", "Handlers, tasks and timers' functions that wait.", NULL},
     FIELD(waiting)},
    {{"moonport_script_errors_total", "counter", "Errors that code of the script raised.", NULL},
     FIELD(errors)},
    {{"moonport_script_version", "gauge", "The version in force; 0: none is.", "max"},
     FIELD(version)},
    {{"moonport_script_last_load_timestamp_seconds", "gauge",
      "When a version of the script last came into force, since 1970.", "max"},
     FIELD(loaded_at_s)},
#undef FIELD
};

static double field_of(const struct script_status *status, const struct row *row) {
  const void *field = (const char *)status + row->offset;
  size_t narrow;
  uint64_t wide;
  if (row->size == sizeof wide) {
    memcpy(&wide, field, sizeof wide);
    return (double)wide;
  }
  memcpy(&narrow, field, sizeof narrow);
  return (double)narrow;
}

static void put_status(struct metrics *metrics, const struct script_status *status) {
  static const struct family reloads = {"moonport_script_reloads_total", "counter",
                                        "Changes of the script that came into force, or did not.",
                                        NULL};
  static const struct family pending = {"moonport_script_reload_failed", "gauge",
                                        "1 while the last change of the script is not in force.",
                                        "max"};
  static const struct family refused = {"moonport_connections_refused_total", "counter",
                                        "Connections reset before Lua saw them.", NULL};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    metrics_put(metrics, &rows[i].family, field_of(status, &rows[i]));
  }
  put_with(metrics, &reloads, "outcome", "reloaded", (double)status->reloads);
  put_with(metrics, &reloads, "outcome", "failed", (double)status->failed_reloads);
  metrics_put(metrics, &pending, status->reload_error != NULL);
  put_with(metrics, &refused, "reason", "per_address", (double)status->refused_per_address);
  put_with(metrics, &refused, "reason", "denied", (double)status->refused_denied);
  put_with(metrics, &refused, "reason", "proxy", (double)status->refused_proxy);
  put_with(metrics, &refused, "reason", "header", (double)status->refused_header);
}

static void put_closed(struct metrics *metrics, const struct runtime *runtime) {
  static const struct family closed = {"moonport_connections_closed_total", "counter",
                                       "Accepted connections that have ended, by why.", NULL};
  for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
    put_with(metrics, &closed, "reason", reason_name((enum reason)reason),
             (double)runtime->closed[reason]);
  }
}

static uint64_t count_all(const struct durations *durations) {
  uint64_t count = 0;
  for (size_t i = 0; i <= DURATION_BOUNDS; i++) count += durations->counts[i];
  return count;
}

static void put_measured(struct metrics *metrics, const struct runtime *runtime) {
  static const struct family durations = {
      "moonport_handler_duration_seconds", "histogram",
      "Time in Lua of each call of a handler, without what it waited.", NULL};
  LIST_EACH (const struct measured, measured, &runtime->measured, link) {
    for (int handler = 0; handler < HANDLER_COUNT; handler++) {
      if (count_all(&measured->handlers[handler]) == 0) continue;
      json_t *labels = labels_new(metrics);
      const char *name = service_handler_name((enum handler)handler);
      json_object_set_new(labels, "handler", json_string(name));
      json_object_set_new(labels, "version", json_sprintf("%u", measured->version));
      put_durations(metrics, &durations, labels, &measured->handlers[handler]);
    }
  }
}

static void put_certificate(void *context, const struct script_certificate *certificate) {
  static const struct family not_after = {"moonport_certificate_not_after_timestamp_seconds",
                                          "gauge", "When a certificate ends, since 1970.", "min"};
  struct metrics *metrics = context;
  json_t *labels = labels_new(metrics);
  json_object_set_new(labels, "file", control_text(certificate->file));
  json_object_set_new(labels, "host", control_text(certificate->host ? certificate->host : ""));
  put_labelled(metrics, &not_after, labels, (double)certificate->facts->not_after);
}

/* --- What the script counts itself --------------------------------------------------------------- */

static json_t *labels_of(const struct metrics *metrics, const struct meter_set *set) {
  json_t *labels = labels_new(metrics);
  const struct meter_shape *shape = &set->meter->shape;
  const unsigned char *place = set->labels;
  for (size_t i = 0; i < shape->label_count; i++) {
    const size_t size = (size_t)place[0] << 8 | place[1];
    json_object_set_new(labels, shape->labels[i],
                        control_text_bytes((const char *)place + 2, size));
    place += size + 2;
  }
  return labels;
}

static json_t *bounds_of(const struct meter_shape *shape) {
  json_t *list = json_array();
  for (size_t i = 0; i < shape->bound_count; i++) {
    json_array_append_new(list, json_real(shape->bounds[i]));
  }
  return list;
}

static void put_meter(struct metrics *metrics, const struct meter *meter) {
  static const char *const types[] = {"counter", "gauge", "histogram"};
  const struct meter_shape *shape = &meter->shape;
  const struct family family = {shape->name, types[shape->kind], shape->help, NULL};
  for (const struct meter_set *set = meter->sets; set; set = set->next) {
    json_t *labels = labels_of(metrics, set);
    if (set->counts) {
      put_histogram(metrics, &family, labels, bounds_of(shape),
                    counts_of(set->counts, shape->bound_count + 1), set->value);
    } else {
      put_labelled(metrics, &family, labels, set->value);
    }
  }
}

static void put_meters(struct metrics *metrics, const struct meters *meters) {
  static const struct family dropped = {
      "moonport_metrics_dropped_total", "counter",
      "Updates of moonport.metrics that were not kept: too many label sets, or too long ones.",
      NULL};
  metrics_put(metrics, &dropped, meters ? (double)meters_dropped(meters) : 0);
  const struct meter *meter = meters ? meters_first(meters) : NULL;
  for (; meter; meter = meter->next) put_meter(metrics, meter);
}

static void put_script(struct metrics *metrics, struct script *script) {
  const struct runtime *runtime = &script->runtime;
  struct script_status status;
  script_status(script, &status);
  metrics->script = script;
  put_status(metrics, &status);
  put_closed(metrics, runtime);
  put_measured(metrics, runtime);
  script_each_certificate(script, put_certificate, metrics);
  put_meters(metrics, runtime->meters);
}

/* --- The process ------------------------------------------------------------------------------- */

static void put_worker(struct metrics *metrics, const struct server *server) {
  static const struct family restarts = {
      "moonport_worker_restarts_total", "counter",
      "How often a worker was started again because it had died.", "max"};
  static const struct family serving = {"moonport_workers_serving", "gauge",
                                        "Processes that take new connections.", NULL};
  const struct worker *worker = server->options.worker;
  char number[12] = "1";
  double count = 0;
  if (worker) {
    const unsigned generation = worker_own_slot(worker)->generation;
    snprintf(number, sizeof number, "%u", worker->number);
    count = generation > 0 ? generation - 1 : 0;
  }
  put_with(metrics, &restarts, "worker", number, count);
  metrics_put(metrics, &serving, server->phase == SERVING);
}

static void put_process_facts(struct metrics *metrics) {
  static const struct family started = {"process_start_time_seconds", "gauge",
                                        "When the process began, since 1970.", "min"};
  static const struct family cpu = {"process_cpu_seconds_total", "counter",
                                    "Processor time used, of user and system.", NULL};
  static const struct family resident = {"process_resident_memory_bytes", "gauge",
                                         "Memory that the process has in RAM.", NULL};
  static const struct family open = {"process_open_fds", "gauge", "Descriptors that are open.",
                                     NULL};
  static const struct family most = {"process_max_fds", "gauge", "Descriptors that may be open.",
                                     NULL};
  struct process_facts facts;
  process_facts_read(&facts);
  metrics_put(metrics, &started, facts.started_s);
  metrics_put(metrics, &cpu, facts.cpu_s);
  if (facts.resident_bytes >= 0) metrics_put(metrics, &resident, (double)facts.resident_bytes);
  if (facts.descriptors >= 0) metrics_put(metrics, &open, (double)facts.descriptors);
  if (facts.descriptors_max >= 0) metrics_put(metrics, &most, (double)facts.descriptors_max);
}

static void put_loop(struct metrics *metrics, const struct server *server) {
  static const struct family lag = {
      "moonport_loop_lag_seconds", "histogram",
      "How late a timer fired that is due four times a second, for the loop was held up.", NULL};
  static const struct family stalls = {
      "moonport_loop_stalls_total", "counter",
      "How often a script held the loop up for more than half a second.", NULL};
  static const struct family longest = {"moonport_loop_stall_max_seconds", "gauge",
                                        "The longest of these.", "max"};
  if (server->options.metrics) put_durations(metrics, &lag, NULL, &server->lag);
  metrics_put(metrics, &stalls, (double)server->stalls);
  metrics_put(metrics, &longest, (double)server->stall_ms_max / 1000);
}

static void put_bus(struct metrics *metrics, const struct bus *bus) {
  static const struct family subscriptions = {"moonport_bus_subscriptions", "gauge",
                                              "Subscriptions of scripts to the bus.", NULL};
  static const struct family published = {"moonport_bus_published_total", "counter",
                                          "Messages that scripts published.", NULL};
  static const struct family received = {
      "moonport_bus_received_total", "counter",
      "Messages from other workers, or from the broker, once for each pattern they came for.",
      NULL};
  static const struct family queued = {"moonport_bus_queued", "gauge",
                                       "Messages that wait for the broker.", NULL};
  static const struct family dropped = {
      "moonport_bus_dropped_total", "counter",
      "Messages dropped on their way, or for subscriptions that did not keep up.", NULL};
  static const struct family lost = {"moonport_bus_broker_lost", "gauge",
                                     "1 while the broker of --bus is not connected.", "max"};
  struct bus_status status;
  bus_status(bus, &status);
  metrics_put(metrics, &subscriptions, (double)status.subscriptions);
  metrics_put(metrics, &published, (double)status.published);
  metrics_put(metrics, &received, (double)status.received);
  metrics_put(metrics, &queued, (double)status.queued);
  metrics_put(metrics, &dropped, (double)status.dropped);
  metrics_put(metrics, &lost, status.broker && !status.is_connected);
}

static void put_process(struct metrics *metrics) {
  static const struct family build = {"moonport_build_info", "gauge", "Which program this is.",
                                      "max"};
  static const struct family records = {
      "moonport_log_records_dropped_total", "counter",
      "Lines of the log that were dropped, for its reader fell behind.", NULL};
  static const struct family events = {
      "moonport_events_dropped_total", "counter",
      "Events that whoever watches, with trace for example, was too slow to take.", NULL};
  const struct server *server = metrics->client->control->server;
  put_with(metrics, &build, "version", MOONPORT_VERSION, 1);
  put_worker(metrics, server);
  put_process_facts(metrics);
  put_loop(metrics, server);
  put_bus(metrics, server->bus);
  metrics_put(metrics, &records, (double)log_dropped(metrics->client->control->log));
  metrics_put(metrics, &events, (double)net_loop_tap(metrics->client->control->loop)->dropped);
}

/* --- The command ------------------------------------------------------------------------------- */

/* A script that is removed meanwhile may hide the one behind it from this answer. */
static bool metrics_step(struct control_client *client, void *state) {
  struct metrics *metrics = state;
  struct server *server = client->control->server;
  metrics->told = NULL;
  if (metrics->next_script < server->script_count) {
    struct script *script = server->scripts[metrics->next_script++];
    if (!server_is_module(server, script)) put_script(metrics, script);
    return true;
  }
  control_ok(client);
  return false;
}

void control_metrics(const struct control_call *call) {
  struct metrics *metrics = calloc(1, sizeof *metrics);
  if (!metrics) {
    control_fail(call->client, "not enough memory");
    return;
  }
  metrics->client = call->client;
  put_process(metrics);
  control_begin(call->client,
                &(struct control_job){.step = metrics_step, .end = free, .state = metrics});
}
