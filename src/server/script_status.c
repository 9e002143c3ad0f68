/* server/script_status.c — what a script is, and says of itself. Changes nothing of it but whether it is
 * due. */
#include "api/udp.h"
#include "net/tls/certificate.h"
#include "net/tls/context.h"
#include "server/script.h"
#include "vm/vm.h"

#include <string.h>

const struct version *script_newest(const struct script *script) {
  return script->loaded ? script->loaded : script->runtime.current;
}

bool script_is_valid(const struct script *script) {
  return script_newest(script);
}

bool script_is_foreign(const struct script *script) {
  return !script_is_valid(script) && script->runtime.is_foreign;
}

bool script_is_spread(const struct script *script) {
  const struct version *version = script_newest(script);
  return script->listeners.workers > 1 || (version && version->service.workers > 1);
}

void script_set_next_number(struct script *script, unsigned number) {
  struct runtime *runtime = &script->runtime;
  if (number > runtime->version_last) runtime->version_last = number - 1;
}

static void count_closing(struct conn *conn, void *context) {
  size_t *count = context;
  *count += conn_is_closing(conn);
}

/* What still runs, over all versions. */
static void count_running(const struct runtime *runtime, struct script_status *out) {
  out->waiting = vm_count_waiting(runtime->vm);
  out->tasks = runtime->task_count;
  LIST_EACH (const struct version, version, &runtime->versions, link) {
    out->timers += version_count_owned(version, "timer");
    if (!version->cohort) continue;
    out->ending += version->cohort->closing;
    conn_group_each(&version->cohort->group, count_closing, &out->ending);
  }
}

static size_t count_versions(const struct runtime *runtime) {
  size_t count = 0;
  LIST_EACH (const struct version, version, &runtime->versions, link) count++;
  return count;
}

void script_status(const struct script *script, struct script_status *out) {
  const struct runtime *runtime = &script->runtime;
  const struct door *door = &script->listeners.door;
  const struct version *current = runtime->current;
  const struct conn_totals totals = runtime_totals(runtime);
  *out = (struct script_status){
      .path = script->path,
      .state = !current                   ? "failed"
               : script->runtime.draining ? "draining"
                                          : "serving",
      .version = current ? current->number : 0,
      .is_in_memory = current && current->is_in_memory,
      .versions = count_versions(runtime),
      .memory_bytes = vm_memory_bytes(runtime->vm),
      .connections = totals.open,
      .accepted = totals.accepted,
      .outgoing = runtime->sequential.count,
      .bytes_in = totals.bytes_in + runtime->sequential.bytes_in,
      .bytes_out = totals.bytes_out + runtime->sequential.bytes_out,
      .output_bytes = runtime->output.account.bytes,
      .output_closed = runtime->output.closed,
      .errors = runtime->failures,
      .reloads = script->reloads,
      .failed_reloads = script->failed_reloads,
      .loaded_at_s = script->loaded_time,
      .refused = door_refused(door),
      .refused_per_address = door->refused[DOOR_PER_ADDRESS],
      .refused_denied = door->refused[DOOR_DENIED],
      .refused_proxy = door->refused[DOOR_PROXY],
      .refused_header = door->refused[DOOR_HEADER],
      .accept_slowed = door->slowed,
      .failed_handshakes = runtime->failed_handshakes,
      .reload_error = script->error,
      .reload_failed_at_s = script->error ? script->error_time : 0,
  };
  count_running(runtime, out);
  struct udp_counts datagrams = {0};
  listen_set_count_datagrams(&script->listeners, &datagrams);
  out->datagrams_waiting = datagrams.waiting;
  out->datagrams_lost = datagrams.lost;
  out->datagrams_denied = datagrams.denied;
}

const struct tls_context *script_tls(const struct script *script) {
  const struct version *version = script_newest(script);
  return version ? version->service.tls : NULL;
}

/* Who is told of certificates. */
struct telling {
  void (*visit)(void *context, const struct script_certificate *certificate);
  void *context;
};

static void tell_shown(void *owner, const struct tls_shown *shown) {
  enum { DAY_S = 24 * 3600 };
  const struct telling *telling = owner;
  struct certificate facts;
  if (!certificate_read(shown->leaf, &facts)) return; /* memory is out */
  const int64_t left_s = facts.not_after - time(NULL);
  const struct script_certificate told = {
      .host = shown->host,
      .file = shown->path,
      .facts = &facts,
      .days_left = left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S),
  };
  telling->visit(telling->context, &told);
  certificate_deinit(&facts);
}

void script_each_certificate(const struct script *script,
                             void (*visit)(void *context,
                                           const struct script_certificate *certificate),
                             void *context) {
  struct telling telling = {visit, context};
  const struct tls_context *tls = script_tls(script);
  if (tls) tls_context_each(tls, tell_shown, &telling);
}

size_t script_connections_max(const struct script *script) {
  const struct version *version = script_newest(script);
  return version ? version->service.connections_max : 0;
}

int script_describe(struct script *script, FILE *out) {
  size_t count;
  const char *const *addresses = script_addresses(script, &count);
  int rc = listen_set_check(&script->listeners, &script->loaded->service, addresses, count);
  if (rc < 0 || !out) return rc;
  fprintf(out, "%s: ok, listens on ", script->path);
  for (size_t i = 0; i < count; i++) fprintf(out, "%s%s", i ? ", " : "", addresses[i]);
  fputc('\n', out);
  return 0;
}

static bool has_failed_source(const struct script *script, const char *path) {
  for (size_t i = 0; i < script->failed_source_count; i++) {
    if (strcmp(script->failed_sources[i].path, path) == 0) return true;
  }
  return false;
}

const struct source *script_next_source(const struct script *script, struct source_walk *walk) {
  /* Until other workers have answered both count: what is not watched meanwhile would be news then. */
  const struct version *const versions[] = {script->loaded, script->runtime.current};
  if (walk->failed < script->failed_source_count) return &script->failed_sources[walk->failed++];
  for (; walk->version < 2; walk->version++, walk->source = 0) {
    const struct version *version = versions[walk->version];
    while (version && walk->source < version->source_count) {
      const struct source *source = &version->sources[walk->source++];
      if (!has_failed_source(script, source->path)) return source;
    }
  }
  return NULL;
}
