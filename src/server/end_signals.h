/* server/end_signals.h — SIGTERM, SIGINT and SIGQUIT, taken where one can always act — does not know what they end. */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
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
  atomic_bool is_of_terminal; /* the last one: all processes of its group got it, too */
  unsigned told;
  bool is_handed_on;
};

/* Takes these signals of the process; one struct at a time can. 0 or UV_E*. */
int end_signals_open(struct end_signals *signals, uv_loop_t *uv);
/* After code that is not ours may have changed what they do: system(3), and so os.execute(), ignores
 * SIGINT until its child has ended. For a signal handler. */
void end_signals_retake(void);
/* Somebody else takes them from here on, and has set handlers: tells each that on_signal has not been told
 * of, and never will. */
void end_signals_hand_on(struct end_signals *signals, void (*on_signal)(void *context, int number),
                         void *context);
/* From here on they are ignored, unless they were handed on: the process is at its end. */
void end_signals_close(struct end_signals *signals);
