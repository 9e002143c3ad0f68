/* server/signals.h — SIGTERM and SIGINT, taken where one can always act — does not know what they end. */
#ifndef MOONPORT_SERVER_SIGNALS_H
#define MOONPORT_SERVER_SIGNALS_H

#include <signal.h>
#include <stdatomic.h>
#include <uv.h>

/* Part of its owner's memory, until the loop has closed its handle. */
struct signals {
  /* Each of them, in a turn of the loop. */
  void (*on_signal)(void *context, int number);
  /* From the second one on, at once: in the signal handler. */
  void (*on_repeated)(void *context);
  void *context;
  /* Private. */
  uv_async_t turn;
  atomic_int numbers[2]; /* the first one and the last one */
  atomic_uint count;
  unsigned told;
};

/* Takes both signals of the process; one struct at a time can. 0 or UV_E*. */
int signals_open(struct signals *signals, uv_loop_t *uv);
/* After code that is not ours may have changed what they do: system(3), and so os.execute(), ignores
 * SIGINT until its child has ended. For a signal handler. */
void signals_retake(void);
/* From here on both are ignored: the process is at its end. */
void signals_close(struct signals *signals);

#endif
