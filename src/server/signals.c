/* server/signals.c — SIGTERM and SIGINT, taken where one can always act — does not know what they end.
 *
 * libuv tells a signal in a turn of the loop, and a loop that a script holds up has none. So the
 * handler is our own: it counts, wakes the loop, and from the second signal on calls who can act
 * without it. */
#include "server/signals.h"

#include <errno.h>
#include <string.h>

/* Whom the signals are for. A handler has no argument to find it by. */
static struct signals *_Atomic taker;

static void on_signal(int number) {
  struct signals *signals = atomic_load(&taker);
  int saved_errno = errno;
  if (!signals) return;
  unsigned before = atomic_fetch_add(&signals->count, 1);
  atomic_store(&signals->numbers[before > 0], number);
  if (before > 0) signals->on_repeated(signals->context);
  uv_async_send(&signals->turn); /* async-signal-safe, says its documentation */
  errno = saved_errno;
}

static void on_turn(uv_async_t *turn) {
  struct signals *signals = turn->data;
  while (signals->told < atomic_load(&signals->count)) {
    int number = atomic_load(&signals->numbers[signals->told > 0]);
    signals->told++;
    signals->on_signal(signals->context, number);
  }
}

static int set_handler(void (*handler)(int number)) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaddset(&action.sa_mask, SIGINT);
  if (sigaction(SIGTERM, &action, NULL) < 0) return UV_EINVAL;
  return sigaction(SIGINT, &action, NULL) < 0 ? UV_EINVAL : 0;
}

int signals_open(struct signals *signals, uv_loop_t *uv) {
  int rc = uv_async_init(uv, &signals->turn, on_turn);
  if (rc < 0) return rc;
  signals->turn.data = signals;
  atomic_store(&taker, signals);
  return set_handler(on_signal);
}

void signals_retake(void) {
  if (atomic_load(&taker)) (void)set_handler(on_signal);
}

void signals_close(struct signals *signals) {
  (void)set_handler(SIG_IGN);
  atomic_store(&taker, NULL);
  uv_close((uv_handle_t *)&signals->turn, NULL);
}
