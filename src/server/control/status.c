/* server/control/status.c — the commands that tell how the server is: status and health. */
#include "api/store.h"
#include "api/stores.h"
#include "base/bus.h"
#include "base/grants.h"
#include "base/version.h"
#include "net/loop.h"
#include "net/tls/certificate.h"
#include "server/control/commands.h"
#include "server/process_facts.h"
#include "server/roles.h"
#include "server/server_state.h"

#include <time.h>
#include <unistd.h>

static void append_name(void *context, const char *name) {
  json_array_append_new(context, control_text(name));
}

static json_t *listeners_of(const struct script *script) {
  json_t *list = json_array();
  listen_set_each(&script->listeners, append_name, list);
  return list;
}

static json_t *time_of(int64_t seconds) {
  char text[32] = "";
  struct tm utc;
  const time_t at = (time_t)seconds;
  if (gmtime_r(&at, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return json_string(text);
}

static json_t *reload_error_of(const struct script_status *status) {
  if (!status->reload_error) return json_null();
  return json_pack("{s:o, s:o}", "time", time_of(status->reload_failed_at_s), "message",
                   control_text(status->reload_error));
}

static void append_certificate(void *context, const struct script_certificate *certificate) {
  const struct certificate *facts = certificate->facts;
  json_t *names = json_array();
  for (size_t i = 0; i < facts->name_count; i++) append_name(names, facts->names[i]);
  json_array_append_new(context,
                        json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:I}", "host",
                                  certificate->host ? control_text(certificate->host) : json_null(),
                                  "file", control_text(certificate->file), "names", names, "issuer",
                                  control_text(facts->issuer), "sha256", facts->sha256, "not_after",
                                  time_of(facts->not_after), "days_left",
                                  (json_int_t)certificate->days_left));
}

static json_t *certificates_of(const struct script *script) {
  json_t *list = json_array();
  script_each_certificate(script, append_certificate, list);
  return list;
}

static void status_tell_script(struct control_client *client, struct script *script) {
  struct script_status status;
  script_status(script, &status);
  control_put(
      client,
      json_pack(
          "{s:o, s:s, s:I, s:b, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
          "s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
          "script", control_text(status.path), "state", status.state, "version",
          (json_int_t)status.version, "in_memory", status.is_in_memory, "versions",
          (json_int_t)status.versions, "listeners", listeners_of(script), "connections",
          (json_int_t)status.connections, "outgoing", (json_int_t)status.outgoing, "accepted",
          (json_int_t)status.accepted, "bytes_in", (json_int_t)status.bytes_in, "bytes_out",
          (json_int_t)status.bytes_out, "memory_bytes", (json_int_t)status.memory_bytes, "timers",
          (json_int_t)status.timers, "tasks", (json_int_t)status.tasks, "waiting",
          (json_int_t)status.waiting, "ending", (json_int_t)status.ending, "output_bytes",
          (json_int_t)status.output_bytes, "output_closed", (json_int_t)status.output_closed,
          "refused", (json_int_t)status.refused, "refused_per_address",
          (json_int_t)status.refused_per_address, "refused_denied",
          (json_int_t)status.refused_denied, "refused_proxy", (json_int_t)status.refused_proxy,
          "refused_header", (json_int_t)status.refused_header, "accept_slowed",
          (json_int_t)status.accept_slowed, "failed_handshakes",
          (json_int_t)status.failed_handshakes, "datagrams_denied",
          (json_int_t)status.datagrams_denied, "datagrams_waiting",
          (json_int_t)status.datagrams_waiting, "datagrams_lost", (json_int_t)status.datagrams_lost,
          "reload_error", reload_error_of(&status), "certificates", certificates_of(script)));
}

/* One line, where the bus is used: it is of the whole server, and its numbers are those of this process. */
static void status_tell_bus(struct control_client *client, const struct bus *bus) {
  struct bus_status status;
  bus_status(bus, &status);
  if (!status.broker && status.subscriptions == 0 && status.published == 0) return;
  control_put(client,
              json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "bus",
                        status.broker ? control_text(status.broker) : json_string("no broker"),
                        "connected",
                        status.broker ? json_boolean(status.is_connected) : json_null(), "since",
                        status.broker ? time_of(status.since_s) : json_null(), "subscriptions",
                        (json_int_t)status.subscriptions, "published", (json_int_t)status.published,
                        "received", (json_int_t)status.received, "queued",
                        (json_int_t)status.queued, "dropped", (json_int_t)status.dropped));
}

/* null: everything. */
static json_t *grants_of(const struct server *server) {
  const struct grants *grants = server->options.grants;
  return grants ? control_text(grants_text(grants)) : json_null();
}

/* null: nobody. */
static json_t *predecessor_of(const struct server *server) {
  const long pid = server_predecessor(server);
  return pid > 0 ? json_integer(pid) : json_null();
}

/* A line each. Workers that share one tell the same of it. */
static void status_tell_store(void *client, const char *name, const struct store_status *status) {
  control_put(client,
              json_pack("{s:s, s:I, s:I, s:I}", "store", name, "bytes", (json_int_t)status->bytes,
                        "bytes_max", (json_int_t)status->bytes_max, "entries",
                        (json_int_t)status->entries));
}

void control_status(const struct control_call *call) {
  const struct server *server = call->client->control->server;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (!server_is_module(server, script)) status_tell_script(call->client, script);
  }
  status_tell_bus(call->client, server->bus);
  stores_each(server->stores, status_tell_store, call->client);
  const struct control *control = call->client->control;
  control_ok_with(
      call->client,
      json_pack("{s:s, s:s, s:I, s:o, s:f, s:I, s:I, s:I, s:f, s:o}", "version", MOONPORT_VERSION,
                "phase", server_phase_name(server), "pid", (json_int_t)getpid(), "upgraded_from",
                predecessor_of(server), "uptime_s",
                (double)(net_loop_now_ms(control->loop) - control->opened_ms) / 1000, "descriptors",
                (json_int_t)process_descriptors(), "descriptors_max",
                (json_int_t)process_descriptors_max(), "stalls", (json_int_t)server->stalls,
                "stall_max_s", (double)server->stall_ms_max / 1000, "allow", grants_of(server)));
}

/* What keeps the server from being ready, a sentence each. A change that could not be taken on is
 * not among it, nor is a script that is at fault beside one that serves: where a load balancer sends
 * nobody any more, that one is lost, too. */
static json_t *obstacles_of(const struct server *server) {
  json_t *list = json_array();
  if (server->phase != SERVING) {
    json_array_append_new(list, json_string("the server ends: it takes no new connections"));
  }
  char idle[SERVER_IDLE_BYTES];
  if (!server_is_idle(server, idle)) return list;
  json_array_append_new(list, control_text(idle));
  for (size_t i = 0; i < server->script_count; i++) {
    struct script_status status;
    script_status(server->scripts[i], &status);
    if (status.version > 0 || server_is_module(server, server->scripts[i])) continue;
    json_t *path = control_text(status.path);
    json_array_append_new(list, json_sprintf("%s is not in force: %s", json_string_value(path),
                                             status.reload_error ? status.reload_error : "?"));
    json_decref(path);
  }
  return list;
}

void control_health(const struct control_call *call) {
  const struct server *server = call->client->control->server;
  json_t *obstacles = obstacles_of(server);
  json_t *answer = json_pack("{s:s, s:b, s:o}", "phase", server_phase_name(server), "ready",
                             json_array_size(obstacles) == 0, "obstacles", obstacles);
  control_ok_with(call->client, answer);
}
