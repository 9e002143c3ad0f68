/* server/succession.c — this process takes another one's place: says what is in the way, that it is ready,
 * and begins when it may. Knows the channel of base/handover.h, and not who is at the other end.
 *
 * Until it may begin nothing of the old process's is changed: neither a file of a Unix socket is unlinked,
 * nor a connection accepted. */
#include "server/upgrade.h"

#include "base/handover.h"
#include "base/log.h"
#include "base/worker.h"
#include "net/loop.h"
#include "server/activation.h"
#include "server/control/control.h"
#include "server/metrics.h"
#include "server/server_state.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  SIGNAL_MS = 100, /* a signal may come between two looks at the channel */
  HELD_MS = 5,     /* of all that have to wait, from when they may serve */
  ERROR_BYTES = 2048,
};

static void tell_error(void *context, const struct log_record *record) {
  const struct handover *handover = context;
  char message[ERROR_BYTES];
  snprintf(message, sizeof message, "error %.*s", (int)record->message_size, record->message);
  (void)handover_send(handover->channel, message, -1);
}

void succession_tell_errors(struct log *log, struct handover *handover) {
  log_watch_errors(log, tell_error, handover);
}

static void stop_telling(const struct server *server) {
  struct handover *handover = server->options.handover;
  log_watch_errors(server->options.log, NULL, NULL);
  if (!handover || handover->channel < 0) return;
  close(handover->channel);
  handover->channel = -1;
}

static bool is_at_fault(const void *context, const char *path) {
  const struct server *server = context;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    if (strcmp(script->path, path) != 0) continue;
    return !script_is_valid(script) || script->lacks_address;
  }
  return false;
}

int succession_check(const struct server *server) {
  const char *path = activation_missed(server->activation, is_at_fault, server);
  if (!path) return 0;
  log_about(server->options.log, LOG_ERROR, path, 0,
            "%s is served by process %ld, and cannot be by this one: see above", path,
            server->options.handover->pid);
  return -1;
}

/* True: it may serve. */
static bool await_go(struct server *server) {
  const struct handover *handover = server->options.handover;
  struct pollfd channel = {.fd = handover->channel, .events = POLLIN};
  char message[HANDOVER_BYTES_MAX];
  ssize_t size = -EAGAIN;
  if (handover_send(handover->channel, "ready", -1) != 0) return false;
  for (bool is_told_to_end = false; size < 0 && !is_told_to_end;) {
    int fd = -1;
    is_told_to_end = atomic_load(&server->end_signals.count) > 0; /* it looks once more, then */
    if (poll(&channel, 1, is_told_to_end ? 0 : SIGNAL_MS) <= 0) continue;
    size = handover_receive(handover->channel, false, message, &fd);
    if (fd >= 0) close(fd);
    if (size < 0 && size != -EAGAIN && size != -EINTR) return false;
    if (size > 0 && handover_is(message, "go")) return true;
    if (size > 0) size = -EAGAIN; /* another version says more */
  }
  return false;
}

static void on_look(uv_timer_t *timer) {
  worker_beat(((const struct server *)timer->data)->options.worker); /* and the loop turns */
}

/* The loop turns, for workers start copies of scripts in each other; what is listened on is paused. */
bool succession_await(struct server *server) {
  const struct worker *worker = server->options.worker;
  if (!worker_is_held(worker)) return true;
  notify_ready(&server->notify, ""); /* to the master, who waits for all of them */
  uv_timer_start(&server->deadline, on_look, HELD_MS, HELD_MS); /* there is no other one yet */
  while (worker_is_held(worker) && server->phase == SERVING) net_loop_turn(server->loop, true);
  const bool may = server->phase == SERVING;
  if (may) uv_timer_stop(&server->deadline);
  stop_telling(server);
  for (size_t i = 0; may && i < server->script_count; i++) {
    listen_set_go_on(&server->scripts[i]->listeners);
  }
  if (may && server->control) control_release(server->control);
  if (may && server->metrics) listen_set_go_on(&server->metrics->script->listeners);
  if (may && server->control) control_go_on_listening(server->control);
  return may;
}

bool succession_take_over(struct server *server) {
  const struct handover *handover = server->options.handover;
  bool may = await_go(server);
  stop_telling(server);
  if (!may) {
    log_printf(server->options.log, LOG_WARN,
               "process %ld has not let this one take its place: it ends", handover->pid);
    return false;
  }
  for (size_t i = 0; i < server->script_count; i++) script_own_listeners(server->scripts[i]);
  if (server->metrics) script_own_listeners(server->metrics->script);
  if (server->control) control_own(server->control);
  activation_settle(server->activation);
  log_printf(server->options.log, LOG_INFO, "upgraded: this process serves in place of process %ld",
             handover->pid);
  return true;
}
