/* server/server.c — scripts at work behind their sockets, from start to end.
 *
 * It makes and frees all there is; what is below calls back. How its scripts start is in start.c, what wakes
 * it in handles.c, how it drains in drain.c. */
#include "server/server_state.h"

#include "api/names.h"
#include "api/runtime.h"
#include "api/stores.h"
#include "api/tls_context.h"
#include "base/bus.h"
#include "base/descriptors.h"
#include "base/handover.h"
#include "base/home.h"
#include "base/log.h"
#include "base/stand_in.h"
#include "base/text.h"
#include "base/worker.h"
#include "net/bus_mesh.h"
#include "net/defer.h"
#include "net/keep_message.h"
#include "net/loop.h"
#include "net/mesh.h"
#include "net/orders.h"
#include "server/bus.h"
#include "server/control/control.h"
#include "server/copies/copies.h"
#include "server/held_up.h"
#include "server/metrics.h"
#include "server/names.h"
#include "server/paths.h"
#include "server/roles.h"
#include "server/upgrade.h"
#include "vm/fork.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void server_on_turn(void *context) {
  struct server *server = context;
  server_free_left_now(server);
  if (server->sources_changed) copies_publish(server);
  server_follow_update(server);
}

static void server_on_conn_closed(void *context) {
  struct server *server = context;
  if (server->freeing) return; /* a task that ends with its script, when others are gone already */
  drain_check(server);
  server_free_left(server);
}

static void export_sockets(const struct server *server, handover_visit *visit, void *context) {
  if (server->control) control_export(server->control, visit, context);
  activation_export(server->activation, visit, context);
  for (size_t i = 0; i < server->script_count; i++) {
    listen_set_export(&server->scripts[i]->listeners, visit, context);
  }
  if (!server->metrics) return;
  listen_set_export(&server->metrics->script->listeners, visit, context);
}

static void server_on_upgraded(struct server *server, const char *cause) {
  if (server->control) control_retire(server->control);
  if (server->metrics) script_leave_listeners(server->metrics->script);
  drain_hand_over(server, cause);
}

static void server_on_order(void *context, const struct keep_order *order) {
  struct server *server = context;
  bool is_taken = false;
  if (order->kind == ORDER_UPGRADE) upgrade_told(server, (pid_t)order->id);
  if (order->kind == ORDER_LEAVE) upgrade_leave(server, (pid_t)order->id);
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (order->kind == ORDER_RETURN) listen_set_return(&script->listeners, order->id, order->place);
    if (order->kind == ORDER_ADOPT && !is_taken) /* if none does, it was given up meanwhile */
      is_taken = listen_set_adopt(&script->listeners, order->id, order->place);
  }
}

static const struct copies_hooks copies_hooks = {
    .script_at = reload_script_at,
    .make_room = reload_make_room,
    .on_news = reload_on_news,
    .on_answers = reload_round_on_copies,
    .reload_due = server_reload_due,
    .on_sources = server_sources_changed,
    .free_left = server_free_left,
    .check_drain = drain_check,
};

static bool hand_over(void *context, const struct listen_entry *entry, struct incoming *incoming,
                      const struct sockaddr *peer) {
  return copies_hand_over(context, entry, incoming, peer);
}

static const char *who_listens(void *context, const struct runtime *asks, const char *name,
                               const char **its) {
  const struct server *server = context;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (&script->runtime == asks) continue; /* it may have both */
    *its = listen_set_conflict(&script->listeners, name);
    if (*its) return script->path;
  }
  return NULL;
}

static void server_on_source(void *context, const struct source *source) {
  (void)source;
  server_sources_changed(context);
}

/* Sockets that are open already; both leave their variables in no child's environment. */
static int open_activation(struct server *server) {
  struct handover *handover = server->options.handover;
  server->watched = -1;
  server->place = server->options.place;
  if (server->options.worker) {
    server->activation = server->options.activation;
    return 0;
  }
  if (!handover) {
    server->activation = activation_new(server->options.log);
    return 0;
  }
  succession_tell_errors(server->options.log, handover);
  int rc = activation_inherit(handover, server->options.log, &server->activation);
  server->place = handover->place;
  return rc;
}

/* Before scripts are loaded, so that all they subscribe to is told to whom it concerns. */
static int open_bus(struct server *server) {
  const struct server_options *options = &server->options;
  server->bus = bus_new();
  if (!server->bus) return -1;
  if (server->mesh) {
    server->bus_mesh = bus_mesh_open(server->loop, server->bus, server->mesh, options->worker);
    if (!server->bus_mesh) return -1;
  }
  if (!options->bus) return 0;
  server->bus_host = bus_host_open(server->bus, server->loop, options);
  return server->bus_host ? 0 : -1;
}

/* What the service of the program's own has beyond other scripts. */
static int furnish_own(lua_State *L) {
  const struct server *server = script_options_of(runtime_of(L))->context;
  const struct server_own *own = server->options.own;
  own->furnish(L, own->context);
  return 0;
}

/* What all scripts share. */
static void set_script_options(struct server *server) {
  const struct server_options *options = &server->options;
  server->script_options = (struct script_options){
      .log = options->log,
      .loop = server->loop,
      .bus = server->bus,
      .watchdog = server->watchdog,
      .host = options->host,
      .listen = &server->options.listen,
      .listen_count = options->listen ? 1 : 0,
      .tls_cert = options->tls_cert,
      .tls_key = options->tls_key,
      .backlog = options->backlog,
      .drain_ms = options->drain_ms,
      .activation = server->activation,
      .worker = options->worker,
      .names = server->names,
      .access_log = options->access_log,
      .measures = options->metrics != NULL,
      .unsafe = options->unsafe,
      .grants = options->grants,
      .home = server->home,
      .lua_dir = options->lua_dir,
      .stores = server->stores,
      .on_conn_closed = server_on_conn_closed,
      .who_listens = who_listens,
      .hand_over = options->worker ? hand_over : NULL,
      .on_source = server_on_source,
      .holds_faults = true,
      .furnish = options->own ? furnish_own : NULL,
      .is_tested = options->own, /* it tells itself where it listens */
      .context = server,
  };
}

/* Everything but the listeners; what a trial writes into stores is for nobody. 0, or -1 after each fault was logged; then too, *out is to be
 * freed, unless it is NULL. */
static int server_load(const struct server_options *options, bool is_trial, struct server **out) {
  struct server *server = *out = calloc(1, sizeof *server);
  if (!server) {
    log_printf(options->log, LOG_ERROR, "not enough memory to start");
    return -1;
  }
  server->options = *options;
  server->export_sockets = export_sockets;
  server->on_upgraded = server_on_upgraded;
  server->drain_control = control_drain;
  if (server_starts_again(options->worker))
    server->options.keeps_going = true; /* the others serve, too */
  (void)descriptors_raise(0);
  notify_init(&server->notify, options->log, options->worker);
  if (open_activation(server) < 0) return -1;
  server->home = home_new();
  server->loop = net_loop_new();
  if (server->loop) net_loop_bound_output(server->loop, options->output_bytes_max);
  server->watchdog = vm_watchdog_new(&held_up_events, server);
  vm_fork_watch(server->watchdog);
  if (server->loop) server->turn = net_defer_new(server->loop, server_on_turn, server);
  if (server->loop) server->names = names_new(server->loop, reload_round_on_names, server);
  if (server->loop && options->worker) {
    server->mesh = mesh_open(server->loop, options->worker);
    server->orders = orders_open(server->loop, options->worker, server_on_order, server);
  }
  if (server->mesh) server->copies = copies_new(server, &copies_hooks);
  const struct stores_place place = {.directory = options->directory, .is_trial = is_trial};
  server->stores = stores_new(&place);
  if (!server->home || !server->turn || !server->watchdog || !server->names ||
      (options->worker && !(server->copies && server->orders)) || open_bus(server) < 0 ||
      server_open_handles(server) < 0) {
    log_printf(options->log, LOG_ERROR, "not enough memory or descriptors to start");
    return -1;
  }
  set_script_options(server);
  if (options->own) {
    return server_load_script(server, options->own->name) < 0 || server_judge(server, NULL) > 0 ? -1
                                                                                                : 0;
  }
  struct script_paths paths;
  int rc = script_paths_find(&paths, options->paths, options->path_count, options->welcome,
                             server->options.keeps_going, options->log);
  if (server_load_scripts(server, &paths) < 0) rc = -1;
  script_paths_deinit(&paths);
  return rc;
}

static void advise_to_keep_going(const struct server *server) {
  if (server_count_valid(server) == 0) return; /* there is nothing to go on with */
  log_printf(
      server->options.log, LOG_ERROR,
      "nothing is served, because some of it cannot be: mend what is named above, or start with "
      "--keep-going to serve the rest");
}

/* It asks the control socket; there may be one without a way in. */
static void open_metrics(struct server *server) {
  if (!server->metrics) return;
  if (!server->control) server->control = control_open(server, NULL);
  server->metrics->control = server->control;
  server->metrics->adopt = control_adopt;
  metrics_server_serve(server->metrics);
}

static void open_at_home(struct server *server) {
  const struct server_options *options = &server->options;
  struct home_visit visit;
  home_enter(server->home, &visit);
  if (options->control || options->worker) {
    server->control = control_open(server, options->control);
  }
  server_follow_open(server);
  home_leave(server->home, &visit);
}

int server_open(const struct server_options *options, struct server **out) {
  int rc = server_load(options, false, out);
  if (rc == 0 && options->warning) log_printf(options->log, LOG_WARN, "%s", options->warning);
  if (rc == 0) rc = server_listen(*out);
  if (rc == -1 && *out && !options->own) advise_to_keep_going(*out);
  if (rc == 0 && !options->own) server_warn_if_idle(*out);
  if (rc == 0) server_fit_descriptors(*out);
  if (rc == 0 && !options->own) loopback_warn(*out, options->log);
  if (rc == 0) open_at_home(*out);
  if (rc == 0) open_metrics(*out);
  if (rc == 0 && options->metrics) server_begin_lag_probe(*out);
  if (rc == 0) return 0;
  if (*out) server_free(*out);
  *out = NULL;
  return rc;
}

int server_run(struct server *server) {
  const struct worker *worker = server->options.worker;
  if (worker && !succession_await(server)) return 0;
  if (!worker && server->options.handover && !succession_take_over(server)) return 1;
  if (server->phase == SERVING) {
    char status[NOTIFY_STATUS_BYTES];
    if (worker) worker_set_phase(worker, WORKER_SERVING);
    server_describe_status(server, status);
    notify_ready(&server->notify, status);
  }
  server_tell_alive(server);
  drain_check(server); /* a signal may have come before it listened */
  net_loop_run(server->loop);
  held_up_bound_closing(server);
  size_t cut_off = 0;
  for (size_t i = 0; i < server->script_count; i++) cut_off += server->scripts[i]->runtime.cut_off;
  if (cut_off == 0) return 0;
  log_printf(server->options.log, LOG_ERROR,
             "the deadline has passed: on_close was not called for %zu connection%s, for the "
             "handlers before used up the time: raise --drain, or do less in on_close",
             cut_off, text_plural(cut_off));
  return 1;
}

void server_free(struct server *server) {
  server->freeing = true;
  upgrade_close(server);
  server_follow_close(server);
  struct home_visit visit;
  home_enter(server->home, &visit);
  if (server->control) control_close(server->control);
  home_leave(server->home, &visit);
  for (size_t i = 0; i < server->script_count; i++) script_free(server->scripts[i]);
  metrics_server_free(server->metrics);
  free(server->scripts);
  server->scripts = NULL;
  server->script_count = 0;
  bus_host_close(server->bus_host);
  bus_mesh_close(server->bus_mesh);
  stores_free(server->stores);
  if (!server->options.worker) activation_free(server->activation);
  vm_fork_watch(NULL);
  if (server->watchdog) vm_watchdog_free(server->watchdog);
  if (server->loop) {
    server_close_handles(server);
    copies_free(server->copies);
    if (server->mesh) mesh_close(server->mesh);
    orders_close(server->orders);
    if (server->names) names_free(server->names);
    if (server->turn) net_defer_close(server->turn);
    net_loop_free(server->loop);
  }
  if (server->control) control_free(server->control);
  bus_free(server->bus);
  home_free(server->home);
  free(server);
}

static void pass_on_untold(void *context, int number) {
  upgrade_pass_on(context, number);
}

int server_end(struct server *server, int code) {
  const pid_t successor = server->successor;
  const int watched = server->watched, successor_code = server->successor_code;
  const bool stands_in = successor > 0 && watched >= 0;
  if (stands_in) {
    stand_in_take_signals(successor);
    end_signals_hand_on(&server->end_signals, pass_on_untold, server);
  }
  server_free(server);
  if (!stands_in) return successor_code > 0 ? successor_code : code;
  code = stand_in_keep(watched, successor);
  close(watched);
  return code;
}

/* All that serve, and their modules. */
static int examine(const struct server *server, int (*visit)(void *context, struct script *script),
                   void *context) {
  int rc = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    bool is_examined = script_is_valid(script) || server_is_module(server, script);
    if (is_examined && visit(context, script) < 0) rc = -1;
  }
  return rc;
}

int server_examine(const struct server_options *options,
                   int (*visit)(void *context, struct script *script), void *context) {
  struct server *server;
  int rc = server_load(options, true, &server);
  if (!server) return -1;
  if (examine(server, visit, context) < 0) rc = -1;
  server_free(server);
  return rc;
}

static int server_describe(void *out, struct script *script) {
  if (!script_is_valid(script)) {
    if (out) fprintf(out, "%s: ok, a module of what is beside it\n", script->path);
    return 0;
  }
  names_tell_undefined(script->loaded, script->path);
  api_judge_tls(&script->runtime, script_tls(script));
  return script_describe(script, out);
}

int server_check(const struct server_options *options, FILE *out) {
  struct server *server;
  int rc = server_load(options, true, &server);
  if (!server) return -1;
  if (rc == 0) rc = server_check_options(server);
  if (rc != -2 && examine(server, server_describe, out) < 0) rc = -1;
  server_free(server);
  return rc;
}
