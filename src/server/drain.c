/* server/drain.c — how a server ends: from the first signal to the last connection.
 *
 * serving -> leaving (SIGTERM or SIGINT: not ready any more, but for the grace time new connections
 * are still accepted) -> draining (no new connections) -> closing (the deadline has passed: every
 * connection is closed in peace) -> ending (a second signal, or a second later: at once) -> closed
 * (the loop has ended; the scripts' last code runs). After an upgrade it begins with draining. */
#include "base/log.h"
#include "base/text.h"
#include "base/worker.h"
#include "net/keep.h"
#include "net/loop.h"
#include "server/copies/copies.h"
#include "server/held_up.h"
#include "server/metrics.h"
#include "server/server_state.h"
#include "server/upgrade.h"

#include <signal.h>
#include <stdio.h>

static size_t conn_count(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++)
    count += runtime_conn_count(&server->scripts[i]->runtime);
  return count;
}

/* With those that have closed, and whose main or on_close has not come to its end. */
static size_t conn_burden(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++)
    count += runtime_conn_burden(&server->scripts[i]->runtime);
  return count;
}

/* What scripts connected to themselves (a pool, an upstream) does not hold the end up. */
void drain_check(struct server *server) {
  if (server->phase <= LEAVING) return;
  size_t left = 0;
  if ((server->phase == ENDING ? conn_count(server) : conn_burden(server)) > 0) return;
  if (server->phase == DRAINING && copies_may_come(server)) return;
  for (size_t i = 0; i < server->script_count; i++) {
    left += script_drop_sequential(server->scripts[i]);
  }
  /* Last: until here somebody may want to see how far it is. */
  if (left == 0 && server->metrics) {
    left = metrics_server_end(server->metrics, server->phase == ENDING);
  }
  if (left == 0 && server->control && server->phase != ENDING) {
    left = server->drain_control(server->control);
  }
  if (left == 0) net_loop_stop(server->loop);
}

static void drain_on_deadline(uv_timer_t *timer) {
  struct server *server = timer->data;
  bool at_once = server->phase != DRAINING;
  server->phase = at_once ? ENDING : CLOSING;
  size_t open = conn_count(server);
  size_t closed = conn_burden(server) - open;
  char waiting[64] = "";
  if (closed > 0) {
    snprintf(waiting, sizeof waiting, "; handlers of %zu closed %s", closed,
             closed == 1 ? "one wait" : "ones wait");
  }
  if (open + closed > 0) { /* else what is left closes by itself, and no peer loses anything */
    log_printf(server->options.log, LOG_WARN,
               "the deadline has passed: closing %zu connection%s%s%s", open, text_plural(open),
               at_once ? " at once" : "", waiting);
  }
  for (size_t i = 0; i < server->script_count; i++) script_close_conns(server->scripts[i], at_once);
  if (!at_once) uv_timer_start(timer, drain_on_deadline, CLOSING_MS, 0);
  drain_check(server);
}

/* Handlers that are told of the end have until then; each of them may use its whole budget. */
static void end_in(struct server *server, uint64_t ms) {
  for (size_t i = 0; i < server->script_count; i++) script_end_in(server->scripts[i], ms);
}

/* One of several workers could not begin, and has said why. */
static bool is_called_off(const struct server *server) {
  const struct worker *worker = server->options.worker;
  return worker && atomic_load(&worker->page->is_called_off);
}

static void start_draining(struct server *server, const char *cause) {
  server->phase = DRAINING;
  log_printf(server->options.log, is_called_off(server) ? LOG_DEBUG : LOG_INFO,
             "%s: no new connections; %zu may go on for %.3g s (another signal ends at once)",
             cause, conn_burden(server), (double)server->options.drain_ms / 1000);
  for (size_t i = 0; i < server->script_count; i++) {
    if (server->successor) script_leave_listeners(server->scripts[i]);
    if (!server->successor) script_stop_listening(server->scripts[i]);
  }
  end_in(server, (uint64_t)server->options.drain_ms + DEADLINE_LEFT_MS);
  held_up_bound_draining(server);
  uv_timer_start(&server->deadline, drain_on_deadline, (uint64_t)server->options.drain_ms, 0);
}

static void drain_on_grace_over(uv_timer_t *timer) {
  struct server *server = timer->data;
  start_draining(server, "the grace time is over");
  drain_check(server);
}

void drain_hand_over(struct server *server, const char *cause) {
  server->phase = LEAVING;
  reload_round_stop(server);
  for (size_t i = 0; i < server->script_count; i++) script_set_draining(server->scripts[i]);
  start_draining(server, cause);
  drain_check(server);
}

/* SIGTERM comes before the last balancer knows that nobody should be sent here any more. */
static void start_leaving(struct server *server, const char *cause) {
  upgrade_stop(server);
  server->phase = LEAVING;
  if (server->options.worker) worker_set_phase(server->options.worker, WORKER_LEAVING);
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
  uv_timer_start(&server->deadline, drain_on_grace_over, (uint64_t)server->options.grace_ms, 0);
}

static const char *signal_name(int number) {
  switch (number) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGQUIT: return "SIGQUIT";
    default: return "SIGHUP: the terminal was closed";
  }
}

void drain_on_signal(void *context, int number) {
  struct server *server = context;
  if (server->phase != SERVING && !worker_is_hurried(server->options.worker)) return;
  if (!atomic_load(&server->end_signals.is_of_terminal)) upgrade_pass_on(server, number);
  if (server->phase == SERVING) {
    start_leaving(server, signal_name(number));
  } else if (server->successor && server->end_signals.told == 1) {
    log_printf(server->options.log, LOG_INFO,
               "%s: process %ld serves, and this one drains already (another signal ends at once)",
               signal_name(number), (long)server->successor);
  } else {
    if (server->phase == LEAVING) start_draining(server, "second signal");
    server->phase = ENDING;
    size_t count = conn_count(server);
    log_printf(server->options.log, LOG_WARN, "second signal: ending %zu connection%s at once",
               count, text_plural(count));
    end_in(server, CLOSING_MS);
    for (size_t i = 0; i < server->script_count; i++) script_close_conns(server->scripts[i], true);
  }
  drain_check(server);
}

void server_drain(struct server *server, const char *cause) {
  if (server->phase != SERVING) return;
  if (server->options.worker) keep_tell_shutdown(server->options.worker);
  start_leaving(server, cause);
  drain_check(server);
}
