/* server/handles.c — what wakes a server besides sockets: signals, timers, scripts that rest. */
#include "server/server_state.h"

#include "api/runtime.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/stand_in.h"
#include "base/worker.h"
#include "net/loop.h"
#include "server/held_up.h"
#include "server/metrics.h"
#include "server/upgrade.h"

#include <signal.h>

enum {
  BEAT_MS = 1000,     /* a loop that turns tells it so often */
  LOG_RETRY_MS = 100, /* for a log whose reader is slow */
  LAG_PROBE_MS = 250,
};

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

static void server_on_user2(void *context) {
  const struct server *server = context;
  if (server->successor > 0) {
    upgrade_pass_on(context, SIGUSR2);
    return;
  }
  server_upgrade(context, "SIGUSR2", UPGRADE_MS, NULL);
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

void server_begin_lag_probe(struct server *server) {
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
    runtime_rest(&server->scripts[i]->runtime);
  }
  if (server->metrics) runtime_rest(&server->metrics->script->runtime);
  heap_rest();
}

int server_open_handles(struct server *server) {
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

void server_tell_alive(struct server *server) {
  const uint64_t alive_ms = notify_alive_ms(&server->notify);
  if (alive_ms > 0) uv_timer_start(&server->beat, server_on_beat, 0, alive_ms);
}

void server_close_handles(struct server *server) {
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
