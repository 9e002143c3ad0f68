/* server/signals.h — the signals of a server that are neither its end nor a reload. */
#ifndef MOONPORT_SERVER_SIGNALS_H
#define MOONPORT_SERVER_SIGNALS_H

#include <stdbool.h>
#include <uv.h>

struct log;

struct signals {
  struct log *log;
  uv_signal_t user[2]; /* SIGUSR1, SIGUSR2: told, and nothing else */
  bool on_terminal;    /* started on one, and not by nohup(1) */
};

/* To be called before any other handler of signals is set. 0 or UV_E*; the handles are open in
 * either case. */
int signals_open(struct signals *signals, uv_loop_t *uv, struct log *log);
void signals_close(struct signals *signals);
/* Whether the terminal that the server was started on is gone: a SIGHUP then means that, and not a
 * reload. */
bool signals_lost_terminal(const struct signals *signals);

#endif
