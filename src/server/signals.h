/* server/signals.h — the signals of a server that are neither its end nor a reload. */
#pragma once

#include <stdbool.h>
#include <uv.h>

struct signals {
  struct log *log;
  void (*on_user2)(void *context); /* SIGUSR2 */
  void *context;
  uv_signal_t user[2]; /* SIGUSR1 is told, and nothing else */
  bool ignores_hangup; /* of a terminal: nohup(1) started this process, or the one before it */
  bool on_terminal;    /* started on one, and not by nohup(1) */
};

/* Of a struct with log, on_user2, context and ignores_hangup. To be called before any other handler of signals is set. 0 or
 * UV_E*; the handles are open in either case. */
int signals_open(struct signals *signals, uv_loop_t *uv);
void signals_close(struct signals *signals);
/* Whether the terminal that the server was started on is gone: a SIGHUP then means that, and not a
 * reload. */
bool signals_lost_terminal(const struct signals *signals);
