/* server/signals.c — the signals of a server that are neither its end nor a reload. */
#include "server/signals.h"

#include "base/log.h"
#include "base/signals.h"

#include <signal.h>

static void signals_on_user(uv_signal_t *handle, int number) {
  const struct signals *signals = handle->data;
  if (number == SIGUSR2) {
    signals->on_user2(signals->context);
    return;
  }
  /* Elsewhere it reopens the log: here that is standard error, which somebody else has opened. */
  log_printf(
      signals->log, LOG_INFO,
      "SIGUSR1: ignored; SIGHUP reloads, SIGUSR2 upgrades, SIGTERM ends, and the log goes to "
      "standard error, which is not reopened");
}

int signals_open(struct signals *signals, uv_loop_t *uv) {
  if (signals_ignore_hangup()) signals->ignores_hangup = true;
  signals->on_terminal = signals_have_terminal() && !signals->ignores_hangup;
  const int numbers[] = {SIGUSR1, SIGUSR2};
  int rc = 0;
  signals_serve();
  for (size_t i = 0; i < 2; i++) {
    uv_signal_init(uv, &signals->user[i]);
    uv_unref((uv_handle_t *)&signals->user[i]);
    signals->user[i].data = signals;
    if (rc == 0) rc = uv_signal_start(&signals->user[i], signals_on_user, numbers[i]);
  }
  return rc;
}

void signals_close(struct signals *signals) {
  for (size_t i = 0; i < 2; i++) uv_close((uv_handle_t *)&signals->user[i], NULL);
}

bool signals_lost_terminal(const struct signals *signals) {
  return signals->on_terminal && !signals_have_terminal();
}
