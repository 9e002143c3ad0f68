/* server/end_signals.h — SIGTERM, SIGINT and SIGQUIT, taken where one can always act — does not know what they end. */
#ifndef MOONPORT_SERVER_END_SIGNALS_H
#define MOONPORT_SERVER_END_SIGNALS_H

#include <signal.h>
#include <stdatomic.h>
#include <uv.h>

/* Part of its owner's memory, until the loop has closed its handle. */
struct end_signals {
  /* Each of them, in a turn of the loop. */
  void (*on_signal)(void *context, int number);
  /* At once, in the signal handler; `before` it came so many. */
  void (*on_taken)(void *context, unsigned before);
  void *context;
  /* Private. */
  uv_async_t turn;
  atomic_int numbers[2]; /* the first one and the last one */
  atomic_uint count;
  unsigned told;
};

/* Takes these signals of the process; one struct at a time can. 0 or UV_E*. */
int end_signals_open(struct end_signals *signals, uv_loop_t *uv);
/* After code that is not ours may have changed what they do: system(3), and so os.execute(), ignores
 * SIGINT until its child has ended. For a signal handler. */
void end_signals_retake(void);
/* From here on they are ignored: the process is at its end. */
void end_signals_close(struct end_signals *signals);

#endif
