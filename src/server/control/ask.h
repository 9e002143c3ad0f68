/* server/control/ask.h — one command that several workers are asked, and what each answers. Knows no
 * command, and nobody who wants to know.
 *
 * To each worker, to this one as well, goes one end of a pair of sockets, of which that makes a client
 * like any other. One that has died, is stuck or is stopped is not waited for: the page that all
 * share (base/worker.h) tells of it. Where there is a single process, it asks itself. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control;
struct ask; /* opaque; frees itself after on_done(), or ask_abandon() */

enum {
  ASK_SILENT_MS = 2000, /* whose loop has not turned for so long is not waited for */
  ASK_WHY_BYTES = 160,
};

struct ask_events {
  /* A line that is not the last of an answer, without its newline. */
  void (*on_line)(void *context, unsigned worker, const char *line, size_t size);
  /* The last line, which is the receiver's; or NULL, and a sentence that says why there is none. Once for
   * each worker; of a stream, once more with NULL when the worker has ended. */
  void (*on_last)(void *context, unsigned worker, json_t *last, const char *why);
  /* Each worker that was asked has answered, or will not. Not of a stream. */
  void (*on_done)(void *context);
};

/* All workers, as bits: number N is 1 << (N - 1). */
uint64_t ask_everybody(const struct control *control);
/* Sends the line, without its newline, to those workers. `is_stream`: answers go on behind their last
 * line. Events come later, from the loop. NULL: memory is out. */
struct ask *ask_begin(struct control *control, uint64_t workers, const char *line, size_t size,
                      bool is_stream, const struct ask_events *events, void *context);
/* Of a stream: asks a worker that has ended once more. False: it does not serve (yet). */
bool ask_again(struct ask *ask, unsigned worker);
/* Whoever takes what comes has too much, or goes on. */
void ask_hold(struct ask *ask, bool on);
/* No event follows. */
void ask_abandon(struct ask *ask);

/* For control.c. */
void ask_init_legs(struct control *control);
