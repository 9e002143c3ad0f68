/* server/server.c — scripts at work behind their sockets, from start to end.
 *
 * It makes and frees all there is; what is below calls back. How it drains is in drain.c. */
#include "server/server_state.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "net/defer.h"
#include "net/loop.h"
#include "server/activation.h"
#include "server/control/control.h"
#include "server/held_up.h"
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

static void server_on_turn(void *context) {
  struct server *server = context;
  server_free_left_now(server);
  server_follow_update(server);
}

static void server_on_conn_closed(void *context) {
  struct server *server = context;
  if (server->freeing) return; /* a task that ends with its script, when others are gone already */
  drain_check(server);
  server_free_left(server);
}

static void server_on_hangup(uv_signal_t *handle, int number) {
  struct server *server = handle->data;
  if (signals_lost_terminal(&server->signals)) {
    /* Shells and the kernel may both send it: the second one must not end it at once. */
    if (server->phase == SERVING) drain_on_signal(server, number);
    return;
  }
  if (server->phase != SERVING) return;
  log_printf(server->options.log, LOG_INFO, "SIGHUP: reloading every script");
  server_reload(server, NULL);
}

static void server_on_log_retry(uv_timer_t *timer) {
  (void)timer; /* it only wakes the loop: server_on_log_check() does the work */
}

static void server_on_log_check(uv_prepare_t *prepare) {
  struct server *server = prepare->data;
  if (!log_flush(server->options.log)) {
    uv_timer_start(&server->log_retry, server_on_log_retry, LOG_RETRY_MS, 0);
  }
}

static int open_handles(struct server *server) {
  uv_loop_t *uv = net_loop_uv(server->loop);
  uv_signal_init(uv, &server->on_hup);
  uv_timer_init(uv, &server->deadline);
  uv_timer_init(uv, &server->log_retry);
  uv_prepare_init(uv, &server->log_check);
  reload_round_init(server);
  server->on_hup.data = server;
  server->deadline.data = server->log_check.data = server;
  server->handles_open = true;
  uv_prepare_start(&server->log_check, server_on_log_check);
  int rc = signals_open(&server->signals, uv, server->options.log);
  server->end_signals = (struct end_signals){
      .on_signal = drain_on_signal, .on_taken = held_up_end_soon, .context = server};
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
  uv_close((uv_handle_t *)&server->log_retry, NULL);
  uv_close((uv_handle_t *)&server->log_check, NULL);
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
    uv_run(net_loop_uv(server->loop), UV_RUN_ONCE);
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
  drain_check(server); /* a signal may have come before it listened */
  uv_run(net_loop_uv(server->loop), UV_RUN_DEFAULT);
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
