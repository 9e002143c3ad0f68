/* api/version.c — one version of a script: loaded, put in force, retired.
 *
 * The next version adopts a cohort as a whole, by changing one pointer: ten thousand connections
 * follow between two events. A version that nothing uses any more is freed in the runtime's next
 * turn, and then the collector goes through the state in small steps, so that its memory, and
 * the sockets that only it knew, are given back soon. */
#include "api/version.h"

#include "api/conn.h"
#include "api/inbox.h"
#include "api/measured.h"
#include "api/runtime.h"
#include "api/tls_context.h"
#include "base/text.h"
#include "net/defer.h"
#include "net/loop.h"
#include "net/timer.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum {
  SWEEP_CONNS = 256, /* told on_reload in one turn */
  UNWIND_MS = 5000,  /* for handlers of connections that a drain has closed */
  DAY_MS = 24 * 3600 * 1000,
  SOURCES_MAX = 10000, /* a script that reads more files than that is not followed further */
};

static struct cohort *cohort_new(struct version *version) {
  struct cohort *cohort = calloc(1, sizeof *cohort);
  if (!cohort) return NULL;
  cohort->runtime = version->runtime;
  cohort->version = version;
  conn_group_init(&cohort->group, version->runtime->loop, &api_conn_events, cohort);
  cohort->group.script = version->runtime->sequential.script;
  cohort->group.budget = &version->runtime->output;
  return cohort;
}

struct version *version_new(struct runtime *runtime) {
  struct version *version = calloc(1, sizeof *version);
  if (!version) return NULL;
  version->runtime = runtime;
  version->number = runtime->version_last + 1;
  service_init(&version->service);
  list_init(&version->link);
  list_init(&version->belongings);
  version->world = vm_world_new(runtime->vm, version);
  if (version->world) return version;
  free(version);
  return NULL;
}

static const struct receiver *receiver_for(const struct service *service) {
  bool has_main = service_has(service, HANDLER_MAIN);
  if (service->protocol == PROTOCOL_HTTP || service->protocol == PROTOCOL_WEBSOCKET) {
    return has_main && service->protocol == PROTOCOL_HTTP ? &api_receive_http_main
                                                          : &api_receive_http;
  }
  if (service_has(service, HANDLER_ON_MESSAGE)) return &api_receive_messages;
  return service_has(service, HANDLER_ON_DATA) ? &api_receive_data : &api_receive_main;
}

bool version_load(struct version *version, const char *path) {
  if (!service_load(version->runtime, version->world, path, &version->service)) return false;
  version->receiver = receiver_for(&version->service);
  version->cohort = cohort_new(version);
  if (!version->cohort) runtime_fault(version->runtime, "%s: not enough memory", path);
  return version->cohort != NULL;
}

void version_own(struct version *version, struct belonging *belonging,
                 const struct belonging_kind *kind) {
  list_append(&version->belongings, &belonging->link);
  belonging->kind = kind;
  belonging->conn_id = vm_running_conn_id(version->runtime->vm);
}

size_t version_count_owned(const struct version *version, const char *kind_name) {
  size_t count = 0;
  const struct list *head = &version->belongings;
  for (const struct list *link = head->next; link != head; link = link->next) {
    if (strcmp(LIST_ELEMENT(link, struct belonging, link)->kind->name, kind_name) == 0) count++;
  }
  return count;
}

/* What it began by itself ends; what it began for a connection goes on. */
static void end_own(struct version *version) {
  struct list belongings;
  list_take(&belongings, &version->belongings);
  while (!list_empty(&belongings)) {
    struct belonging *belonging = LIST_ELEMENT(belongings.next, struct belonging, link);
    list_remove(&belonging->link);
    list_append(&version->belongings, &belonging->link);
    if (belonging->conn_id == 0) belonging->kind->end(belonging);
  }
}

/* Also what a to-be-closed variable of a cancelled task begins meanwhile. */
static void end_all(struct version *version) {
  while (!list_empty(&version->belongings)) {
    struct belonging *belonging = LIST_ELEMENT(version->belongings.next, struct belonging, link);
    list_remove(&belonging->link);
    belonging->kind->end(belonging);
  }
}

static void cohort_free(struct runtime *runtime, struct cohort *cohort) {
  runtime->past.accepted += cohort->group.accepted;
  runtime->past.bytes_in += cohort->group.bytes_in;
  runtime->past.bytes_out += cohort->group.bytes_out;
  free(cohort);
}

void version_free(struct version *version) {
  struct runtime *runtime = version->runtime;
  if (runtime->current == version) runtime->current = NULL;
  end_all(version);
  if (version->drain) net_timer_close(version->drain);
  if (version->days) net_timer_close(version->days);
  if (version->patience) net_timer_close(version->patience);
  measured_end(version);
  list_remove(&version->link);
  service_deinit(runtime, &version->service);
  vm_world_disown(version->world);
  /* Finalizers that run before the next handler find themselves in a world, too. */
  if (runtime->current) vm_world_enter(runtime->current->world);
  vm_world_unref(version->world);
  if (version->cohort) cohort_free(runtime, version->cohort);
  sources_free(version->sources, version->source_count);
  free(version);
}

static bool is_used(const struct version *version) {
  const struct cohort *cohort = version->cohort;
  if (version == version->runtime->current) return true;
  return cohort && (cohort->group.count > 0 || cohort->closing > 0);
}

/* --- Coming into force --------------------------------------------------------------------- */

static void apply_limits(struct conn_group *group, const struct service *service) {
  bool sooner = group->idle_ms != service->idle_ms || group->write_ms != service->write_ms ||
                group->first_ms != service->first_ms || group->request_ms != service->request_ms ||
                group->handshake_ms != service->handshake_ms;
  group->queue_bytes_max = service->write_queue_bytes_max;
  group->queue_high = service->write_queue_bytes_max / 4;
  group->queue_low = group->queue_high / 2 + 1; /* not 0: no queue would ever be below it */
  group->idle_ms = service->idle_ms;
  group->first_ms = service->first_ms;
  group->request_ms = service->request_ms;
  group->write_ms = service->write_ms;
  group->linger_ms = service->linger_ms;
  group->handshake_ms = service->handshake_ms;
  group->greets_itself = service_has(service, HANDLER_ON_MESSAGE) ||
                         service_has(service, HANDLER_MAIN) ||
                         service_has(service, HANDLER_ON_REQUEST);
  if (sooner) conn_group_reschedule(group);
}

static void mark_adopted(struct conn *conn, void *context) {
  const struct version *version = context;
  struct api_conn *self = conn_owner(conn);
  if (!self) return;
  if (self->more->inbox) self->more->inbox->scanned = 0; /* that was for another frame */
  self->has_requests = api_requests_of(self) != NULL;
  if (self->has_requests && !api_need_more(self)) conn_close_starved(conn);
  bool is_lost = self->more->websocket ? version->service.protocol != PROTOCOL_WEBSOCKET
                                       : self->more->http.incoming && !self->has_requests;
  if (is_lost) conn_close(conn, REASON_RELOAD); /* it speaks what this version does not */
  if (service_has(&version->service, HANDLER_ON_RELOAD)) self->pending |= PENDING_RELOAD;
  api_conn_update(self);
}

/* The connections of the version before are this one's: their next event finds its handlers. */
static void adopt(struct version *version, struct version *before) {
  struct cohort *cohort = before->cohort;
  free(version->cohort);
  version->cohort = cohort;
  before->cohort = NULL;
  cohort->version = version;
  cohort->adopted_id_max = cohort->converted_id_max = 0;
  conn_group_each(&cohort->group, mark_adopted, version);
  struct conn *newest = conn_group_newest(&cohort->group);
  if (!newest || !service_has(&version->service, HANDLER_ON_RELOAD)) return;
  cohort->adopted_id_max = conn_id(newest);
}

static void close_for_reload(struct conn *conn, void *context) {
  (void)context;
  conn_close(conn, REASON_RELOAD);
}

static void close_cohort(struct version *version) {
  conn_group_each(&version->cohort->group, close_for_reload, NULL);
  net_loop_flush(version->runtime->loop);
}

/* Closes the connections; handlers that still wait a while later will never end by themselves. */
static void version_on_drain_deadline(void *owner) {
  struct version *version = owner;
  if (!version->was_closed) {
    version->was_closed = true;
    close_cohort(version);
  } else if (version->cohort && version->cohort->closing > 0 && version->cohort->group.count == 0) {
    runtime_cancel_world(version->runtime, version->world);
  }
}

static void let_drain(struct version *before, uint64_t drain_ms) {
  if (before->drain) return;
  before->drain =
      net_timer_open(before->runtime->loop, drain_ms, UNWIND_MS, version_on_drain_deadline, before);
  if (!before->drain) {
    close_cohort(before); /* no memory to wait with */
  } else {
    version_close_idle(before, REASON_RELOAD);
  }
}

void versions_drain(struct runtime *runtime, uint64_t drain_ms) {
  for (struct list *link = runtime->versions.next; link != &runtime->versions; link = link->next) {
    struct version *version = LIST_ELEMENT(link, struct version, link);
    if (version->cohort) let_drain(version, drain_ms);
  }
}

static void follow(struct version *version, struct version *before, uint64_t drain_ms) {
  enum reload_policy policy = version->service.reload;
  /* What runs in `main` has no next event to find new handlers at. */
  bool runs_main = service_has(&before->service, HANDLER_MAIN);
  if (policy == RELOAD_ADOPT && !runs_main) adopt(version, before);
  if (policy != RELOAD_DRAIN && policy != RELOAD_CLOSE) return;
  /* Those that were pinned to still older versions, too. */
  for (struct list *link = &before->link; link != &version->runtime->versions; link = link->prev) {
    struct version *old = LIST_ELEMENT(link, struct version, link);
    if (old->cohort && policy == RELOAD_DRAIN) let_drain(old, drain_ms);
    if (old->cohort && policy == RELOAD_CLOSE) close_cohort(old);
  }
}

/* A version whose connections never end would be there for ever, and each change leaves one more. */
static void bound_versions(struct runtime *runtime, size_t versions_max, uint64_t drain_ms) {
  size_t staying = 0;
  for (struct list *link = runtime->versions.prev; link != &runtime->versions; link = link->prev) {
    struct version *version = LIST_ELEMENT(link, struct version, link);
    if (!is_used(version) || version->is_outdated || ++staying <= versions_max) continue;
    version->is_outdated = true;
    runtime_logf(runtime, LOG_WARN,
                 "limits.versions = %zu reached: version %u is let go; its %zu connection%s may go "
                 "on for %.3g s",
                 versions_max, version->number, version->cohort->group.count,
                 text_plural(version->cohort->group.count), (double)drain_ms / 1000);
    let_drain(version, drain_ms);
  }
}

/* Somebody has to put new ones in their place, who may not look at the server for months. */
static void version_on_day(void *owner) {
  const struct version *version = owner;
  struct runtime *runtime = version->runtime;
  if (version == runtime->current) api_judge_tls(runtime, version->service.tls);
}

void version_put_in_force(struct version *version, uint64_t drain_ms) {
  struct runtime *runtime = version->runtime;
  struct version *before = runtime->current;
  const struct vm_budget budget = {version->service.memory_bytes_max, version->service.cpu_ms_max};
  runtime->current = version;
  runtime->version_last = version->number;
  measured_begin(version);
  list_append(&runtime->versions, &version->link);
  vm_set_budget(runtime->vm, &budget);
  if (before) follow(version, before, drain_ms);
  if (before) bound_versions(runtime, version->service.versions_max, drain_ms);
  if (version->cohort) apply_limits(&version->cohort->group, &version->service);
  apply_limits(&runtime->sequential, &version->service);
  runtime->sequential.first_ms = 0; /* whom the script accepts itself, it asks itself */
  runtime->output.bytes_max = version->service.output_bytes_max;
  if (version->service.tls) {
    api_judge_tls(runtime, version->service.tls);
    version->days = net_timer_open(runtime->loop, DAY_MS, DAY_MS, version_on_day, version);
  }
  if (before) end_own(before);
  versions_changed(runtime);
}

/* --- What uses it ----------------------------------------------------------------------------- */

static void free_unused(struct runtime *runtime) {
  struct list *link = runtime->versions.next;
  while (link != &runtime->versions) {
    struct version *version = LIST_ELEMENT(link, struct version, link);
    link = link->next;
    if (is_used(version)) continue;
    version_free(version);
    if (!runtime->host) runtime_collect(runtime);
  }
}

struct sweep {
  struct cohort *cohort;
  size_t left;
};

/* Making its object tells a connection that it was adopted; see api_make_conn(). */
static void convert(struct conn *conn, void *context) {
  struct sweep *sweep = context;
  uint64_t id = conn_id(conn);
  struct cohort *cohort = sweep->cohort;
  if (sweep->left == 0 || id <= cohort->converted_id_max || id > cohort->adopted_id_max) return;
  sweep->left--;
  bool hears = conn_has_opened(conn) && !conn_is_closing(conn);
  struct api_conn *self = hears ? api_conn_of(cohort->runtime, conn) : NULL;
  cohort->converted_id_max = id;
  if (self) api_conn_deliver(self);
}

/* True when there are more to be told. */
static bool sweep_adopted(struct version *version) {
  struct cohort *cohort = version ? version->cohort : NULL;
  if (!cohort || cohort->converted_id_max >= cohort->adopted_id_max) return false;
  struct sweep sweep = {.cohort = cohort, .left = SWEEP_CONNS};
  conn_group_each(&cohort->group, convert, &sweep);
  if (sweep.left > 0) cohort->converted_id_max = cohort->adopted_id_max;
  return sweep.left == 0;
}

void versions_settle(struct runtime *runtime) {
  free_unused(runtime);
  bool more = sweep_adopted(runtime->current);
  if (runtime_collect_step(runtime)) more = true;
  net_loop_flush(runtime->loop); /* a finalizer may have closed a connection */
  if (more) net_defer_ask(runtime->defer);
}

/* --- Over all versions --------------------------------------------------------------------- */

size_t runtime_conn_burden(const struct runtime *runtime) {
  size_t count = 0;
  const struct list *versions = &runtime->versions;
  for (const struct list *link = versions->next; link != versions; link = link->next) {
    const struct cohort *cohort = LIST_ELEMENT(link, struct version, link)->cohort;
    if (cohort) count += cohort->group.count + cohort->closing;
  }
  return count;
}

size_t runtime_conn_count(const struct runtime *runtime) {
  return (size_t)runtime_totals(runtime).open;
}

void runtime_conn_each(struct runtime *runtime, void (*visit)(struct conn *conn, void *context),
                       void *context) {
  for (struct list *link = runtime->versions.next; link != &runtime->versions; link = link->next) {
    struct cohort *cohort = LIST_ELEMENT(link, struct version, link)->cohort;
    if (cohort) conn_group_each(&cohort->group, visit, context);
  }
}

struct conn_totals runtime_totals(const struct runtime *runtime) {
  struct conn_totals totals = runtime->past;
  for (struct list *link = runtime->versions.next; link != &runtime->versions; link = link->next) {
    const struct cohort *cohort = LIST_ELEMENT(link, struct version, link)->cohort;
    if (!cohort) continue;
    totals.open += cohort->group.count;
    totals.accepted += cohort->group.accepted;
    totals.bytes_in += cohort->group.bytes_in;
    totals.bytes_out += cohort->group.bytes_out;
  }
  return totals;
}

/* --- What it is made of -------------------------------------------------------------------- */

static struct source *find_source(const struct version *version, const char *path) {
  for (size_t i = 0; i < version->source_count; i++) {
    if (strcmp(version->sources[i].path, path) == 0) return &version->sources[i];
  }
  return NULL;
}

static struct source *append_source(struct version *version, const char *path) {
  if (version->source_count >= SOURCES_MAX) return NULL;
  struct source *sources = realloc(version->sources, (version->source_count + 1) * sizeof *sources);
  if (!sources) return NULL;
  version->sources = sources;
  struct source *source = &sources[version->source_count];
  *source = (struct source){.path = strdup(path)};
  if (!source->path) return NULL;
  version->source_count++;
  return source;
}

struct source *version_note_source(struct version *version, const char *path, const char *bytes,
                                   size_t size) {
  struct source *source = find_source(version, path);
  if (!source) source = append_source(version, path);
  if (!source) return NULL;
  source->was_read = bytes != NULL;
  source->digest = digest_empty();
  if (bytes) digest_add(&source->digest, bytes, size);
  return source;
}

void version_note_file(struct version *version, struct source *source, const struct digest *file) {
  if (!digest_equal(source->digest, *file)) version->is_in_memory = true;
  source->digest = *file;
}

void sources_free(struct source *sources, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(sources[i].path);
    free(sources[i].text);
  }
  free(sources);
}
