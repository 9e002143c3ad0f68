/* server/start.c — the scripts of a server at its start: loaded, judged, and brought into force behind their
 * sockets. Knows no reload. */
#include "server/server_state.h"

#include "api/runtime.h"
#include "base/home.h"
#include "base/log.h"
#include "base/worker.h"
#include "net/loop.h"
#include "server/copies/copies.h"
#include "server/metrics.h"
#include "server/names.h"
#include "server/paths.h"
#include "server/roles.h"
#include "server/upgrade.h"

bool server_starts_again(const struct worker *worker) {
  return worker && atomic_load(&worker_own_slot(worker)->generation) > 1;
}

int server_load_script(struct server *server, const char *path) {
  struct script *script = script_new_later(path, &server->script_options);
  if (script && server_append_script(server, script) == 0) {
    if (server->options.own) script_set_text(script, server->options.own->text);
    struct home_visit visit;
    home_enter(server->home, &visit);
    (void)script_load_first(script);
    home_leave(server->home, &visit);
    if (server->options.worker) worker_beat(server->options.worker); /* there may be many */
    return 0;
  }
  log_about(server->options.log, LOG_ERROR, path, 0, "%s: not enough memory to serve it", path);
  if (script) script_free(script);
  return -1;
}

int server_load_scripts(struct server *server, const struct script_paths *paths) {
  int rc = 0;
  for (size_t i = 0; i < paths->count; i++) {
    if (!server_is_home(server, paths->files[i])) continue;
    if (server_load_script(server, paths->files[i]) < 0) rc = -1;
  }
  copies_await_loaded(server);
  bool lacks_welcome = rc == 0 && server_lacks_welcome(server, server->options.keeps_going);
  if (lacks_welcome) rc = server_load_script(server, server->options.welcome);
  if (server_judge(server, NULL) > 0 && !server->options.keeps_going) rc = -1;
  return rc;
}

/* In all workers; a copy, which may have come already, is one with what is elsewhere. */
static size_t count_scripts(const struct server *server) {
  size_t count = copies_count_elsewhere(server);
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    count += script_is_valid(script) && !script->is_leaving && !script->is_copy;
  }
  return count;
}

int server_check_options(const struct server *server) {
  const size_t count = count_scripts(server);
  if (server->options.tls_key && !server->options.tls_cert) {
    log_printf(server->options.log, LOG_ERROR,
               "--tls-key without --tls-cert: name the file of its certificate, too");
    return -2;
  }
  const struct worker *worker = server->options.worker;
  /* Of one that starts again, what others have may be its own. */
  if (!server->options.listen || count <= 1 || server_starts_again(server->options.worker))
    return 0;
  if (worker && worker->number > 1) return -2; /* the first one says it for all */
  log_printf(server->options.log, LOG_ERROR,
             "--listen is for a single script, and there are %zu: set listen in each script",
             count);
  return -2;
}

/* A signal ends the wait, and the server with it. */
static void await_names(struct server *server) {
  bool awaits = false;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (script->loaded && !script->is_copy && script_awaits_names(script)) awaits = true;
  }
  if (server->metrics && script_awaits_names(server->metrics->script)) awaits = true;
  while (awaits && server->phase == SERVING && names_are_pending(server->names)) {
    net_loop_turn(server->loop, true);
  }
}

/* All that run in several workers at once: they wait for each other. */
static void ask_copies(struct server *server) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (script->is_copy) continue;
    (void)copies_restore(server, script);
    if (script->loaded) copies_ask(server, script);
  }
  copies_await_answers(server);
}

static int start_script(struct server *server, struct script *script) {
  const char *refusal = copies_refusal(server, script->path);
  int rc = -1;
  if (refusal) {
    script_refuse_loaded(script, refusal);
    copies_give_up(server, script->path);
    if (copies_restore(server, script)) rc = script_start(script);
  } else {
    rc = script_start(script);
  }
  if (script->runtime.current) {
    copies_take_on(server, script);
  } else {
    copies_give_up(server, script->path);
  }
  if (server->options.worker) worker_beat(server->options.worker);
  return rc;
}

/* Of several workers the last one to get there knows what all have taken. */
static void report_handed(const struct server *server) {
  const struct worker *worker = server->options.worker;
  if (!worker) {
    activation_report(server->activation, NULL, server->options.log);
    return;
  }
  activation_share_taken(server->activation, worker->page->handed);
  if (atomic_fetch_add(&worker->page->listening, 1) + 1 == worker->count)
    activation_report(server->activation, worker->page->handed, server->options.log);
}

/* In several workers, whose figures are told as one, one answers. */
static bool wants_metrics(const struct server *server) {
  const struct worker *worker = server->options.worker;
  return server->options.metrics && (!worker || worker->number == 1);
}

static int listen_all(struct server *server) {
  int rc = server_check_options(server);
  if (rc < 0) return rc;
  if (wants_metrics(server)) {
    server->metrics = metrics_server_load(&server->script_options, server->options.metrics);
    if (!server->metrics) return -1;
  }
  await_names(server);
  ask_copies(server);
  for (size_t i = 0; i < server->script_count && server->phase == SERVING; i++) {
    struct script *script = server->scripts[i];
    if (!script_is_valid(script) || script->is_copy) continue;
    struct home_visit visit;
    home_enter(server->home, &visit);
    if (start_script(server, script) < 0 && !server->options.keeps_going) rc = -1;
    home_leave(server->home, &visit);
  }
  if (server->metrics && script_start(server->metrics->script) < 0 &&
      !server->options.keeps_going) {
    rc = -1;
  }
  names_forget(server->names);
  copies_forget_given(server);
  if (rc == 0 && server->options.handover && !server->options.worker) {
    rc = succession_check(server);
  }
  for (size_t i = 0; i < server->script_count && rc == 0; i++) {
    listen_set_tell(&server->scripts[i]->listeners);
  }
  if (rc == 0) report_handed(server);
  return rc;
}

int server_listen(struct server *server) {
  server->is_starting = true;
  int rc = listen_all(server);
  server->is_starting = false;
  if (rc == 0) server_reload_missed(server);
  return rc;
}
