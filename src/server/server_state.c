/* server/server_state.c — what others ask of a server, and its list of scripts. */
#include "server/server_state.h"

#include "api/stores.h"
#include "base/handover.h"
#include "base/log.h"
#include "base/worker.h"
#include "net/keep.h"

#include <stdlib.h>

int server_append_script(struct server *server, struct script *script) {
  struct script **scripts = realloc(server->scripts, (server->script_count + 1) * sizeof *scripts);
  if (!scripts) return -1;
  server->scripts = scripts;
  server->scripts[server->script_count++] = script;
  return 0;
}

uint64_t server_stalls(const struct server *server, unsigned *ms_max) {
  *ms_max = server->stall_ms_max;
  return server->stalls;
}

const struct durations *server_lag(const struct server *server) {
  return server->options.metrics ? &server->lag : NULL;
}

const struct worker *server_worker(const struct server *server) {
  return server->options.worker;
}

size_t server_script_count(const struct server *server) {
  return server->script_count;
}

struct script *server_script(const struct server *server, size_t index) {
  return server->scripts[index];
}

bool server_is_unsafe(const struct server *server) {
  return server->options.unsafe;
}

const struct grants *server_grants(const struct server *server) {
  return server->options.grants;
}

const struct bus *server_bus(const struct server *server) {
  return server->bus;
}

const char *server_phase_name(const struct server *server) {
  static const char *const names[] = {"serving", "leaving", "draining",
                                      "closing", "ending",  "closed"};
  return names[server->phase];
}

bool server_is_serving(const struct server *server) {
  return server->phase == SERVING;
}

int64_t server_grace_ms(const struct server *server) {
  return server->options.grace_ms;
}

bool server_is_home(const struct server *server, const char *path) {
  const struct worker *worker = server->options.worker;
  unsigned number = 1; /* the master has no memory for it: one of them is to have it */
  if (!worker) return true;
  int rc = keep_home(worker, path, &number);
  if (rc == 0 || rc == UV_ENOMEM) return number == worker->number;
  log_about(
      server->options.log, LOG_WARN, path, 0,
      "%s: the master does not say which worker is to serve it (%s): it is asked again at the "
      "next reload",
      path, uv_strerror(rc));
  return false; /* it may be served by another one */
}

bool server_is_upgrading(const struct server *server) {
  const struct worker *worker = server->options.worker;
  const bool all_are = worker && atomic_load(&worker->page->is_upgrading);
  return (server->upgrade || all_are) && server->phase == SERVING;
}

long server_predecessor(const struct server *server) {
  return server->options.handover ? server->options.handover->pid : 0;
}

void server_each_store(const struct server *server,
                       void (*visit)(void *context, const char *name,
                                     const struct store_status *status),
                       void *context) {
  stores_each(server->stores, visit, context);
}
