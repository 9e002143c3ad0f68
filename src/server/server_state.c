/* server/server_state.c — what others ask of a server, and its list of scripts. */
#include "server/server_state.h"

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

const char *server_phase_name(const struct server *server) {
  static const char *const names[] = {"serving", "leaving", "draining",
                                      "closing", "ending",  "closed"};
  return names[server->phase];
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
