/* server/server.c — scripts at work behind their sockets, from start to drained.
 *
 * serving -> leaving (SIGTERM or SIGINT: not ready any more, but for the grace time new connections
 * are still accepted) -> draining (no new connections) -> closing (the deadline has passed: every
 * connection is closed in peace) -> ending (a second signal, or a second later: at once) -> closed
 * (the loop has ended; the scripts' last code runs). */
#include "server/server_state.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "net/defer.h"
#include "net/loop.h"
#include "server/activation.h"
#include "server/control/control.h"
#include "server/held_up.h"
#include "server/loopback.h"
#include "server/names.h"
#include "server/notify.h"
#include "server/paths.h"
#include "server/signals.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  LOG_RETRY_MS = 100, /* for a log whose reader is slow */
};

static size_t conn_count(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) count += script_conn_count(server->scripts[i]);
  return count;
}

/* With those that have closed, and whose main or on_close has not come to its end. */
static size_t conn_burden(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) count += script_conn_burden(server->scripts[i]);
  return count;
}

void server_on_turn(void *context) {
  struct server *server = context;
  server_free_left_now(server);
  server_follow_update(server);
}

/* What scripts connected to themselves (a pool, an upstream) does not hold the end up. */
static void stop_when_drained(struct server *server) {
  size_t left = 0;
  size_t awaited = server->phase == ENDING ? conn_count(server) : conn_burden(server);
  if (server->phase <= LEAVING || awaited > 0) return;
  for (size_t i = 0; i < server->script_count; i++) {
    left += script_drop_sequential(server->scripts[i]);
  }
  if (left == 0) net_loop_stop(server->loop);
}

static void server_on_conn_closed(void *context) {
  struct server *server = context;
  if (server->freeing) return; /* a task that ends with its script, when others are gone already */
  stop_when_drained(server);
  server_free_left(server);
}

static void server_on_deadline(uv_timer_t *timer) {
  struct server *server = timer->data;
  bool at_once = server->phase != DRAINING;
  server->phase = at_once ? ENDING : CLOSING;
  size_t open = conn_count(server);
  size_t closed = conn_burden(server) - open;
  char waiting[64] = "";
  if (closed > 0) snprintf(waiting, sizeof waiting, "; handlers of %zu closed ones wait", closed);
  log_printf(server->options.log, LOG_WARN, "the deadline has passed: closing %zu connections%s%s",
             open, at_once ? " at once" : "", waiting);
  for (size_t i = 0; i < server->script_count; i++) script_close_conns(server->scripts[i], at_once);
  if (!at_once) uv_timer_start(timer, server_on_deadline, CLOSING_MS, 0);
  stop_when_drained(server);
}

/* Handlers that are told of the end have until then; each of them may use its whole budget. */
static void end_in(struct server *server, uint64_t ms) {
  for (size_t i = 0; i < server->script_count; i++) script_end_in(server->scripts[i], ms);
}

static void start_draining(struct server *server, const char *cause) {
  server->phase = DRAINING;
  log_printf(server->options.log, LOG_INFO,
             "%s: no new connections; %zu may go on for %.3g s (another signal ends at once)",
             cause, conn_burden(server), (double)server->options.drain_ms / 1000);
  for (size_t i = 0; i < server->script_count; i++) {
    script_stop_listening(server->scripts[i]);
  }
  end_in(server, (uint64_t)server->options.drain_ms + DEADLINE_LEFT_MS);
  held_up_bound_draining(server);
  uv_timer_start(&server->deadline, server_on_deadline, (uint64_t)server->options.drain_ms, 0);
}

static void server_on_grace_over(uv_timer_t *timer) {
  struct server *server = timer->data;
  start_draining(server, "the grace time is over");
  stop_when_drained(server);
}

/* SIGTERM comes before the last balancer knows that nobody should be sent here any more. */
static void start_leaving(struct server *server, const char *cause) {
  server->phase = LEAVING;
  reload_round_stop(server);
  notify_stopping(&server->notify);
  for (size_t i = 0; i < server->script_count; i++) script_set_draining(server->scripts[i]);
  if (server->options.grace_ms == 0) {
    start_draining(server, cause);
    return;
  }
  log_printf(server->options.log, LOG_INFO,
             "%s: not ready any more; connections are accepted for another %.3g s (another signal "
             "ends at once)",
             cause, (double)server->options.grace_ms / 1000);
  uv_timer_start(&server->deadline, server_on_grace_over, (uint64_t)server->options.grace_ms, 0);
}

static const char *signal_name(int number) {
  switch (number) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    default: return "SIGHUP: the terminal was closed";
  }
}

static void server_on_signal(void *context, int number) {
  struct server *server = context;
  if (server->phase == SERVING) {
    start_leaving(server, signal_name(number));
  } else {
    if (server->phase == LEAVING) start_draining(server, "second signal");
    server->phase = ENDING;
    log_printf(server->options.log, LOG_WARN, "second signal: ending %zu connections at once",
               conn_count(server));
    end_in(server, CLOSING_MS);
    for (size_t i = 0; i < server->script_count; i++) script_close_conns(server->scripts[i], true);
  }
  stop_when_drained(server);
}

static void server_on_hangup(uv_signal_t *handle, int number) {
  struct server *server = handle->data;
  if (signals_lost_terminal(&server->signals)) {
    /* Shells and the kernel may both send it: the second one must not end it at once. */
    if (server->phase == SERVING) server_on_signal(server, number);
    return;
  }
  if (server->phase != SERVING) return;
  log_printf(server->options.log, LOG_INFO, "SIGHUP: reloading every script");
  server_reload(server, NULL);
}

static void server_on_log_retry(uv_timer_t *timer) {
  (void)timer; /* it only wakes the loop: server_on_log_check() does the work */
}

static void server_on_log_check(void *context) {
  struct server *server = context;
  if (!log_flush(server->options.log)) {
    uv_timer_start(&server->log_retry, server_on_log_retry, LOG_RETRY_MS, 0);
  }
}

static int open_handles(struct server *server) {
  uv_loop_t *uv = net_loop_uv(server->loop);
  uv_signal_init(uv, &server->on_hup);
  uv_timer_init(uv, &server->deadline);
  uv_timer_init(uv, &server->log_retry);
  reload_round_init(server);
  server->on_hup.data = server;
  server->deadline.data = server;
  server->handles_open = true;
  net_loop_before_wait(server->loop, server_on_log_check, server);
  int rc = signals_open(&server->signals, uv, server->options.log);
  server->end_signals = (struct end_signals){
      .on_signal = server_on_signal, .on_taken = held_up_end_soon, .context = server};
  if (rc == 0) rc = end_signals_open(&server->end_signals, uv);
  return rc < 0 ? rc : uv_signal_start(&server->on_hup, server_on_hangup, SIGHUP);
}

static void close_handles(struct server *server) {
  if (!server->handles_open) return;
  reload_round_close(server);
  end_signals_close(&server->end_signals);
  uv_close((uv_handle_t *)&server->on_hup, NULL);
  signals_close(&server->signals);
  uv_close((uv_handle_t *)&server->deadline, NULL);
  net_loop_before_wait(server->loop, NULL, NULL);
  uv_close((uv_handle_t *)&server->log_retry, NULL);
}

struct listener_question {
  const char *name;
  bool found;
};

static void compare_name(void *context, const char *name) {
  struct listener_question *question = context;
  if (strcmp(name, question->name) == 0) question->found = true;
}

static const char *who_listens(void *context, const char *name) {
  const struct server *server = context;
  struct listener_question question = {.name = name};
  for (size_t i = 0; i < server->script_count; i++) {
    script_each_listener(server->scripts[i], compare_name, &question);
    if (question.found) return script_path(server->scripts[i]);
  }
  return NULL;
}

int server_append_script(struct server *server, struct script *script) {
  struct script **scripts = realloc(server->scripts, (server->script_count + 1) * sizeof *scripts);
  if (!scripts) return -1;
  server->scripts = scripts;
  server->scripts[server->script_count++] = script;
  return 0;
}

static int load_scripts(struct server *server, const struct script_paths *paths) {
  int rc = 0;
  for (size_t i = 0; i < paths->count; i++) {
    struct script *script = script_load(paths->files[i], &server->script_options);
    if (script && server_append_script(server, script) == 0) continue;
    if (script) {
      log_printf(server->options.log, LOG_ERROR, "%s: not enough memory to serve it",
                 paths->files[i]);
      script_free(script);
    }
    rc = -1;
  }
  return rc;
}

static void server_on_source(void *context, const struct source *source) {
  (void)source;
  server_sources_changed(context);
}

/* Everything but the listeners. 0, or -1 after each fault was logged; then too, *out is to be
 * freed, unless it is NULL. */
static int server_load(const struct server_options *options, struct server **out) {
  struct server *server = *out = calloc(1, sizeof *server);
  if (!server) {
    log_printf(options->log, LOG_ERROR, "not enough memory to start");
    return -1;
  }
  server->options = *options;
  (void)descriptors_raise(0);
  notify_init(&server->notify, options->log);
  server->activation = activation_new(options->log);
  server->loop = net_loop_new();
  if (server->loop) net_loop_bound_output(server->loop, options->output_bytes_max);
  server->watchdog = vm_watchdog_new(&held_up_events, server);
  if (server->loop) server->turn = net_defer_new(server->loop, server_on_turn, server);
  if (server->loop) server->names = names_new(server->loop, reload_round_on_names, server);
  if (!server->turn || !server->watchdog || !server->names || open_handles(server) < 0) {
    log_printf(options->log, LOG_ERROR, "not enough memory or descriptors to start");
    return -1;
  }
  server->script_options = (struct script_options){
      .log = options->log,
      .loop = server->loop,
      .watchdog = server->watchdog,
      .host = options->host,
      .backlog = options->backlog,
      .drain_ms = options->drain_ms,
      .activation = server->activation,
      .names = server->names,
      .unsafe = options->unsafe,
      .grants = options->grants,
      .lua_dir = options->lua_dir,
      .on_conn_closed = server_on_conn_closed,
      .who_listens = who_listens,
      .on_source = server_on_source,
      .context = server,
  };
  struct script_paths paths;
  int rc = script_paths_find(&paths, options->paths, options->path_count, options->welcome, false,
                             options->log);
  if (load_scripts(server, &paths) < 0) rc = -1;
  script_paths_deinit(&paths);
  return rc;
}

/* A signal ends the wait, and the server with it. */
static void await_names(struct server *server, const char *listen) {
  bool awaits = false;
  for (size_t i = 0; i < server->script_count; i++) {
    if (script_awaits_names(server->scripts[i], listen)) awaits = true;
  }
  while (awaits && server->phase == SERVING && names_are_pending(server->names)) {
    net_loop_turn(server->loop, true);
  }
}

static int listen_all(struct server *server) {
  const char *listen = server->options.listen;
  if (listen && server->script_count != 1) {
    log_printf(server->options.log, LOG_ERROR,
               "--listen is for a single script, and there are %zu: set listen in each script",
               server->script_count);
    return -2;
  }
  int rc = 0;
  await_names(server, listen);
  for (size_t i = 0; i < server->script_count && server->phase == SERVING; i++) {
    if (script_start(server->scripts[i]) < 0) rc = -1;
  }
  names_forget(server->names);
  if (rc == 0) activation_report(server->activation, server->options.log);
  return rc;
}

int server_open(const struct server_options *options, struct server **out) {
  int rc = server_load(options, out);
  if (rc == 0 && options->warning) log_printf(options->log, LOG_WARN, "%s", options->warning);
  if (rc == 0) rc = listen_all(*out);
  if (rc == 0) server_fit_descriptors(*out);
  if (rc == 0) loopback_warn(*out, options->log);
  if (rc == 0 && options->control) {
    (*out)->control = control_open(*out, (*out)->loop, options->log, options->control);
  }
  if (rc == 0) server_follow_open(*out);
  if (rc == 0) return 0;
  if (*out) server_free(*out);
  *out = NULL;
  return rc;
}

int server_run(struct server *server) {
  if (server->phase == SERVING) notify_ready(&server->notify);
  stop_when_drained(server); /* a signal may have come before it listened */
  net_loop_run(server->loop);
  held_up_bound_closing(server);
  size_t cut_off = 0;
  for (size_t i = 0; i < server->script_count; i++) cut_off += script_cut_off(server->scripts[i]);
  if (cut_off == 0) return 0;
  log_printf(server->options.log, LOG_ERROR,
             "the deadline has passed: on_close was not called for %zu connections, for the "
             "handlers before used up the time: raise --drain, or do less in on_close",
             cut_off);
  return 1;
}

void server_free(struct server *server) {
  server->freeing = true;
  server_follow_close(server);
  if (server->control) control_close(server->control);
  for (size_t i = 0; i < server->script_count; i++) script_free(server->scripts[i]);
  free(server->scripts);
  activation_free(server->activation);
  if (server->watchdog) vm_watchdog_free(server->watchdog);
  if (server->loop) {
    close_handles(server);
    if (server->names) names_free(server->names);
    if (server->turn) net_defer_close(server->turn);
    net_loop_free(server->loop);
  }
  if (server->control) control_free(server->control);
  free(server);
}

const char *server_phase_name(const struct server *server) {
  static const char *const names[] = {"serving", "leaving", "draining",
                                      "closing", "ending",  "closed"};
  return names[server->phase];
}

bool server_is_serving(const struct server *server) {
  return server->phase == SERVING;
}

uint64_t server_stalls(const struct server *server, unsigned *ms_max) {
  *ms_max = server->stall_ms_max;
  return server->stalls;
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

void server_drain(struct server *server, const char *cause) {
  if (server->phase != SERVING) return;
  start_leaving(server, cause);
  stop_when_drained(server);
}

int server_examine(const struct server_options *options,
                   int (*visit)(void *context, struct script *script), void *context) {
  struct server *server;
  int rc = server_load(options, &server);
  if (!server) return -1;
  for (size_t i = 0; i < server->script_count; i++) {
    if (visit(context, server->scripts[i]) < 0) rc = -1;
  }
  server_free(server);
  return rc;
}

static int server_describe(void *context, struct script *script) {
  script_tell_undefined(script);
  return script_describe(script, context);
}

int server_check(const struct server_options *options, FILE *out) {
  return server_examine(options, server_describe, out);
}
