/* server/server.c — scripts at work behind their sockets, from start to end.
 *
 * It makes and frees all there is; what is below calls back. How it drains is in drain.c. */
#include "server/server_state.h"

#include "api/runtime.h"
#include "api/stores.h"
#include "api/tls_context.h"
#include "base/bus.h"
#include "base/descriptors.h"
#include "base/handover.h"
#include "base/heap.h"
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
#include "net/notify.h"
#include "net/orders.h"
#include "server/activation.h"
#include "server/bus.h"
#include "server/control/control.h"
#include "server/copies/copies.h"
#include "server/held_up.h"
#include "server/metrics.h"
#include "server/names.h"
#include "server/paths.h"
#include "server/roles.h"
#include "server/signals.h"
#include "server/upgrade.h"
#include "vm/fork.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BEAT_MS = 1000,     /* a loop that turns tells it so often */
  LOG_RETRY_MS = 100, /* for a log whose reader is slow */
  LAG_PROBE_MS = 250,
};

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

static void server_on_hangup(uv_signal_t *handle, int number) {
  struct server *server = handle->data;
  if (signals_lost_terminal(&server->signals)) {
    /* Shells and the kernel may both send it: the second one must not end it at once. */
    if (server->phase == SERVING) drain_on_signal(server, number);
    return;
  }
  upgrade_pass_on(server, number);
  if (server->phase != SERVING || server->options.own) return;
  if (server_is_upgrading(server)) {
    log_printf(server->options.log, LOG_WARN, "SIGHUP: no reload, for an upgrade is under way");
    return;
  }
  log_printf(server->options.log, LOG_INFO, "SIGHUP: reloading every script");
  server_reload(server, NULL);
}

static void export_sockets(const struct server *server, handover_visit *visit, void *context) {
  if (server->control) control_export(server->control, visit, context);
  activation_export(server->activation, visit, context);
  for (size_t i = 0; i < server->script_count; i++) {
    script_export_listeners(server->scripts[i], visit, context);
  }
  if (!server->metrics) return;
  script_export_listeners(metrics_server_script(server->metrics), visit, context);
}

static void server_on_upgraded(struct server *server, const char *cause) {
  if (server->control) control_retire(server->control);
  if (server->metrics) script_leave_listeners(metrics_server_script(server->metrics));
  drain_hand_over(server, cause);
}

static void server_on_user2(void *context) {
  const struct server *server = context;
  if (server->successor > 0) {
    upgrade_pass_on(context, SIGUSR2);
    return;
  }
  server_upgrade(context, "SIGUSR2", UPGRADE_MS, NULL);
}

static void server_on_order(void *context, const struct keep_order *order, int fd) {
  struct server *server = context;
  bool is_taken = false;
  if (order->kind == ORDER_UPGRADE) upgrade_told(server, (pid_t)order->id);
  if (order->kind == ORDER_LEAVE) upgrade_leave(server, (pid_t)order->id);
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (order->kind == ORDER_RETURN) script_return(script, order->id, order->place);
    if (order->kind == ORDER_ADOPT && !is_taken && fd >= 0)
      is_taken = script_adopt(script, order->id, order->place, fd);
  }
  if (fd >= 0 && !is_taken) close(fd); /* it was given up meanwhile, and the master knows */
}

static void server_on_beat(uv_timer_t *timer) {
  const struct server *server = timer->data;
  if (server->options.worker) {
    worker_beat(server->options.worker);
  } else if (server->successor == 0) { /* that one is listened to, and no other */
    notify_alive(&server->notify);
  }
}

/* Rounded down to what libuv's timers can tell. */
static void server_on_lag_probe(uv_timer_t *timer) {
  struct server *server = timer->data;
  const uint64_t now_ns = net_loop_now_ns(server->loop);
  const uint64_t late_ns = now_ns > server->lag_due_ns ? now_ns - server->lag_due_ns : 0;
  durations_add(&server->lag, late_ns);
  server->lag_due_ns = now_ns + (uint64_t)LAG_PROBE_MS * 1000000;
  uv_timer_start(timer, server_on_lag_probe, LAG_PROBE_MS, 0);
}

static void begin_lag_probe(struct server *server) {
  server->lag_due_ns = UINT64_MAX;
  uv_timer_start(&server->lag_probe, server_on_lag_probe, 0, 0);
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

static void server_on_quiet(uv_async_t *quiet) {
  struct server *server = quiet->data;
  for (size_t i = 0; i < server->script_count; i++) {
    runtime_rest(script_runtime(server->scripts[i]));
  }
  if (server->metrics) runtime_rest(script_runtime(metrics_server_script(server->metrics)));
  heap_rest();
}

static int open_handles(struct server *server) {
  uv_loop_t *uv = net_loop_uv(server->loop);
  int rc = uv_async_init(uv, &server->quiet, server_on_quiet);
  if (rc < 0) return rc;
  uv_unref((uv_handle_t *)&server->quiet);
  uv_signal_init(uv, &server->on_hup);
  uv_timer_init(uv, &server->deadline);
  uv_timer_init(uv, &server->log_retry);
  uv_timer_init(uv, &server->beat);
  uv_timer_init(uv, &server->lag_probe);
  uv_unref((uv_handle_t *)&server->lag_probe);
  uv_unref((uv_handle_t *)&server->beat);
  reload_round_init(server);
  server->on_hup.data = server;
  server->deadline.data = server->quiet.data = server->beat.data = server;
  server->lag_probe.data = server;
  if (server->options.worker) uv_timer_start(&server->beat, server_on_beat, 0, BEAT_MS);
  server->handles_open = true;
  net_loop_before_wait(server->loop, server_on_log_check, server);
  server->signals =
      (struct signals){.log = server->options.log, .on_user2 = server_on_user2, .context = server};
  rc = signals_open(&server->signals, uv);
  server->end_signals = (struct end_signals){
      .on_signal = drain_on_signal, .on_taken = held_up_end_soon, .context = server};
  if (rc == 0) rc = end_signals_open(&server->end_signals, uv);
  return rc < 0 ? rc : uv_signal_start(&server->on_hup, server_on_hangup, SIGHUP);
}

static void close_handles(struct server *server) {
  if (!server->handles_open) return;
  server->handles_open = false;
  reload_round_close(server);
  end_signals_close(&server->end_signals);
  uv_close((uv_handle_t *)&server->on_hup, NULL);
  signals_close(&server->signals);
  uv_close((uv_handle_t *)&server->deadline, NULL);
  net_loop_before_wait(server->loop, NULL, NULL);
  uv_close((uv_handle_t *)&server->log_retry, NULL);
  uv_close((uv_handle_t *)&server->beat, NULL);
  /* libuv has put back what signals do by default. */
  if (server->end_signals.is_handed_on) stand_in_take_signals(server->successor);
  uv_close((uv_handle_t *)&server->lag_probe, NULL);
  uv_close((uv_handle_t *)&server->quiet, NULL);
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
    if (script_runtime(script) == asks) continue; /* it may have both */
    *its = script_listen_conflict(script, name);
    if (*its) return script_path(script);
  }
  return NULL;
}

/* What is wrong with it, server_judge() knows; -1 when memory is out. */
static int load_script(struct server *server, const char *path) {
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

/* -1 when one is at fault, and those that are not are not served without it. */
static int load_scripts(struct server *server, const struct script_paths *paths) {
  int rc = 0;
  for (size_t i = 0; i < paths->count; i++) {
    if (!server_is_home(server, paths->files[i])) continue;
    if (load_script(server, paths->files[i]) < 0) rc = -1;
  }
  copies_await_loaded(server);
  bool lacks_welcome = rc == 0 && server_lacks_welcome(server, server->options.keeps_going);
  if (lacks_welcome) rc = load_script(server, server->options.welcome);
  if (server_judge(server, NULL) > 0 && !server->options.keeps_going) rc = -1;
  return rc;
}

static void server_on_source(void *context, const struct source *source) {
  (void)source;
  server_sources_changed(context);
}

static bool is_again(const struct worker *worker) {
  return worker && atomic_load(&worker_own_slot(worker)->generation) > 1;
}

/* In all workers; a copy, which may have come already, is one with what is elsewhere. */
static size_t count_scripts(const struct server *server) {
  size_t count = copies_count_elsewhere(server);
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    count += script_is_valid(script) && !script_is_leaving(script) && !script_is_copy(script);
  }
  return count;
}

/* 0, or -2 after a log line. */
static int check_options(const struct server *server) {
  const size_t count = count_scripts(server);
  if (server->options.tls_key && !server->options.tls_cert) {
    log_printf(server->options.log, LOG_ERROR,
               "--tls-key without --tls-cert: name the file of its certificate, too");
    return -2;
  }
  const struct worker *worker = server->options.worker;
  /* Of one that starts again, what others have may be its own. */
  if (!server->options.listen || count <= 1 || is_again(server->options.worker)) return 0;
  if (worker && worker->number > 1) return -2; /* the first one says it for all */
  log_printf(server->options.log, LOG_ERROR,
             "--listen is for a single script, and there are %zu: set listen in each script",
             count);
  return -2;
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
  if (is_again(options->worker)) server->options.keeps_going = true; /* the others serve, too */
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
      open_handles(server) < 0) {
    log_printf(options->log, LOG_ERROR, "not enough memory or descriptors to start");
    return -1;
  }
  set_script_options(server);
  if (options->own) {
    return load_script(server, options->own->name) < 0 || server_judge(server, NULL) > 0 ? -1 : 0;
  }
  struct script_paths paths;
  int rc = script_paths_find(&paths, options->paths, options->path_count, options->welcome,
                             server->options.keeps_going, options->log);
  if (load_scripts(server, &paths) < 0) rc = -1;
  script_paths_deinit(&paths);
  return rc;
}

/* A signal ends the wait, and the server with it. */
static void await_names(struct server *server) {
  bool awaits = false;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (script_loaded(script) && !script_is_copy(script) && script_awaits_names(script))
      awaits = true;
  }
  if (server->metrics && script_awaits_names(metrics_server_script(server->metrics))) awaits = true;
  while (awaits && server->phase == SERVING && names_are_pending(server->names)) {
    net_loop_turn(server->loop, true);
  }
}

/* All that run in several workers at once: they wait for each other. */
static void ask_copies(struct server *server) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (script_is_copy(script)) continue;
    (void)copies_restore(server, script);
    if (script_loaded(script)) copies_ask(server, script);
  }
  copies_await_answers(server);
}

static int start_script(struct server *server, struct script *script) {
  const char *refusal = copies_refusal(server, script_path(script));
  int rc = -1;
  if (refusal) {
    script_refuse_loaded(script, refusal);
    copies_give_up(server, script_path(script));
    if (copies_restore(server, script)) rc = script_start(script);
  } else {
    rc = script_start(script);
  }
  if (script_runtime(script)->current) {
    copies_take_on(server, script);
  } else {
    copies_give_up(server, script_path(script));
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
  int rc = check_options(server);
  if (rc < 0) return rc;
  if (wants_metrics(server)) {
    server->metrics = metrics_server_load(&server->script_options, server->options.metrics);
    if (!server->metrics) return -1;
  }
  await_names(server);
  ask_copies(server);
  for (size_t i = 0; i < server->script_count && server->phase == SERVING; i++) {
    struct script *script = server->scripts[i];
    if (!script_is_valid(script) || script_is_copy(script)) continue;
    struct home_visit visit;
    home_enter(server->home, &visit);
    if (start_script(server, script) < 0 && !server->options.keeps_going) rc = -1;
    home_leave(server->home, &visit);
  }
  if (server->metrics && metrics_server_start(server->metrics) < 0 &&
      !server->options.keeps_going) {
    rc = -1;
  }
  names_forget(server->names);
  copies_forget_given(server);
  if (rc == 0 && server->options.handover && !server->options.worker) {
    rc = succession_check(server);
  }
  for (size_t i = 0; i < server->script_count && rc == 0; i++) {
    script_tell_listening(server->scripts[i]);
  }
  if (rc == 0) report_handed(server);
  return rc;
}

static void advise_to_keep_going(const struct server *server) {
  if (server_count_valid(server) == 0) return; /* there is nothing to go on with */
  log_printf(
      server->options.log, LOG_ERROR,
      "nothing is served, because some of it cannot be: mend what is named above, or start with "
      "--keep-going to serve the rest");
}

/* With NULL one that is asked by the server's own parts, and by the other workers, only. */
static struct control *open_control(struct server *server, const struct control_address *address) {
  return control_open(&(struct control_options){.server = server,
                                                .loop = server->loop,
                                                .log = server->options.log,
                                                .address = address,
                                                .activation = server->activation,
                                                .shared_fd = server->options.control_fd,
                                                .worker = server->options.worker,
                                                .mesh = server->mesh});
}

/* It asks the control socket; there may be one without a way in. */
static void open_metrics(struct server *server) {
  if (!server->metrics) return;
  if (!server->control) server->control = open_control(server, NULL);
  metrics_server_serve(server->metrics, server->control, control_adopt);
}

static void open_at_home(struct server *server) {
  const struct server_options *options = &server->options;
  struct home_visit visit;
  home_enter(server->home, &visit);
  if (options->control || options->worker) {
    server->control = open_control(server, options->control);
  }
  server_follow_open(server);
  home_leave(server->home, &visit);
}

int server_open(const struct server_options *options, struct server **out) {
  int rc = server_load(options, false, out);
  if (rc == 0 && options->warning) log_printf(options->log, LOG_WARN, "%s", options->warning);
  if (rc == 0) rc = listen_all(*out);
  if (rc == -1 && *out && !options->own) advise_to_keep_going(*out);
  if (rc == 0 && !options->own) server_warn_if_idle(*out);
  if (rc == 0) server_fit_descriptors(*out);
  if (rc == 0 && !options->own) loopback_warn(*out, options->log);
  if (rc == 0) open_at_home(*out);
  if (rc == 0) open_metrics(*out);
  if (rc == 0 && options->metrics) begin_lag_probe(*out);
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
  const uint64_t alive_ms = notify_alive_ms(&server->notify);
  if (alive_ms > 0) uv_timer_start(&server->beat, server_on_beat, 0, alive_ms);
  drain_check(server); /* a signal may have come before it listened */
  net_loop_run(server->loop);
  held_up_bound_closing(server);
  size_t cut_off = 0;
  for (size_t i = 0; i < server->script_count; i++) cut_off += script_cut_off(server->scripts[i]);
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
    close_handles(server);
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
    if (out) fprintf(out, "%s: ok, a module of what is beside it\n", script_path(script));
    return 0;
  }
  script_tell_undefined(script);
  api_judge_tls(script_runtime(script), script_tls(script));
  return script_describe(script, out);
}

int server_check(const struct server_options *options, FILE *out) {
  struct server *server;
  int rc = server_load(options, true, &server);
  if (!server) return -1;
  if (rc == 0) rc = check_options(server);
  if (rc != -2 && examine(server, server_describe, out) < 0) rc = -1;
  server_free(server);
  return rc;
}
