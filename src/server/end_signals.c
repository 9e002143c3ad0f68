/* server/end_signals.c — SIGTERM, SIGINT and SIGQUIT, taken where one can always act — does not know what they end.
 *
 * libuv tells a signal in a turn of the loop, and a loop that a script holds up has none. So the
 * handler is our own: it counts, wakes the loop, and calls who can act without it. */
#include "server/end_signals.h"

#include "base/platform.h"

#include <errno.h>

/* Whom the signals are for. A handler has no argument to find it by. */
static struct end_signals *_Atomic taker;

static void end_signals_on_signal(int number, siginfo_t *info, void *ignored) {
  struct end_signals *signals = atomic_load(&taker);
  int saved_errno = errno;
  (void)ignored;
  if (!signals) return;
  atomic_store(&signals->is_of_terminal, platform_is_of_terminal(info));
  unsigned before = atomic_fetch_add(&signals->count, 1);
  atomic_store(&signals->numbers[before > 0], number);
  signals->on_taken(signals->context, before);
  uv_async_send(&signals->turn); /* async-signal-safe, says its documentation */
  errno = saved_errno;
}

static void end_signals_on_turn(uv_async_t *turn) {
  struct end_signals *signals = turn->data;
  while (signals->told < atomic_load(&signals->count)) {
    int number = atomic_load(&signals->numbers[signals->told > 0]);
    signals->told++;
    signals->on_signal(signals->context, number);
  }
}

static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT};

/* NULL: they are ignored. */
static int set_handler(void (*handler)(int number, siginfo_t *info, void *context)) {
  struct sigaction action = {.sa_flags = SA_RESTART | (handler ? SA_SIGINFO : 0)};
  if (handler) {
    action.sa_sigaction = handler;
  } else {
    action.sa_handler = SIG_IGN;
  }
  const size_t count = sizeof numbers / sizeof *numbers;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < count; i++) sigaddset(&action.sa_mask, numbers[i]);
  for (size_t i = 0; i < count; i++) {
    if (sigaction(numbers[i], &action, NULL) < 0) return UV_EINVAL;
  }
  return 0;
}

int end_signals_open(struct end_signals *signals, uv_loop_t *uv) {
  int rc = uv_async_init(uv, &signals->turn, end_signals_on_turn);
  if (rc < 0) return rc;
  signals->turn.data = signals;
  atomic_store(&taker, signals);
  return set_handler(end_signals_on_signal);
}

void end_signals_retake(void) {
  if (atomic_load(&taker)) (void)set_handler(end_signals_on_signal);
}

void end_signals_hand_on(struct end_signals *signals, void (*on_signal)(void *context, int number),
                         void *context) {
  signals->is_handed_on = true;
  while (signals->told < atomic_load(&signals->count)) {
    on_signal(context, atomic_load(&signals->numbers[signals->told++ > 0]));
  }
}

void end_signals_close(struct end_signals *signals) {
  if (!signals->turn.data) return; /* it could not be opened */
  if (!signals->is_handed_on) (void)set_handler(NULL);
  atomic_store(&taker, NULL);
  uv_close((uv_handle_t *)&signals->turn, NULL);
}
