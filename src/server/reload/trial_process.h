/* server/reload/trial_process.h — the child process of a trial: its start, its time, its end. Knows nothing
 * of scripts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct home;
struct net_loop;
struct trial_process; /* opaque; frees itself after its end */

struct trial_exit {
  bool timed_out; /* and was killed for it */
  int code;
  int signal;             /* 0: it ended by itself, with `code` */
  const char *last_words; /* the last line that it wrote to stderr; "" for none */
};

/* Called from the loop. */
struct trial_process_events {
  void (*on_record)(void *context, const char *record);
  void (*on_exit)(void *context, const struct trial_exit *exit); /* the last call */
};

/* Starts this same program with `arguments` (NULL at the end), as it was started itself, without an
 * end yet. Unless it is -1, `texts_fd`, which stays the caller's, is there TRIAL_TEXTS_FD. 0 or UV_E*, and then no
 * event comes. */
int trial_process_start(struct net_loop *loop, const char *const *arguments,
                        const struct home *home, int texts_fd,
                        const struct trial_process_events *events, void *context,
                        struct trial_process **out);
/* It has so long from now on. */
void trial_process_extend(struct trial_process *process, uint64_t limit_ms);
/* Ends it, and all that it started; no event comes any more. */
void trial_process_kill(struct trial_process *process);
