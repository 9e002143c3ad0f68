/* api/evaluate.h — code that somebody types, run in a script's state like code of its own. */
#pragma once

#include <stddef.h>

struct runtime;
struct evaluation; /* opaque; frees itself when it has ended */

/* What comes of it. The first two are called from inside of Lua. */
struct evaluation_events {
  void (*on_print)(void *owner, const char *text, size_t size); /* one line */
  void (*on_result)(void *owner, const char *text, size_t size);
  /* Last. `error` is NULL when all went well; the traceback may be NULL. */
  void (*on_end)(void *owner, const char *error, const char *traceback);
};

enum {
  EVALUATION_WAIT_MS_MAX = 5000, /* it may wait, but not for ever */
  EVALUATION_CPU_MS_MAX = 1000,  /* or limits.cpu_ms, if that is less */
};

/* Runs the code, an expression or else statements, in the version that is in force, which there has
 * to be; not while Lua runs. NULL when it has ended, and on_end was called; else it waits. */
struct evaluation *api_evaluate(struct runtime *runtime, const char *code, size_t size,
                                const struct evaluation_events *events, void *owner);
/* Ends one that waits; no event comes any more. */
void api_evaluation_abandon(struct evaluation *evaluation);
