/* server/trial.h — loads scripts in a child process, to see whether that comes to an end. Knows
 * libuv, no Lua.
 *
 * What runs while a script is loaded may never return: a pattern that backtracks, a loop in a
 * finalizer, a program that waits. A server that loads it could only end. So the same program first
 * loads it in a process of its own, with a time limit. What is wrong with a script otherwise, the
 * server finds and tells itself. */
#ifndef MOONPORT_SERVER_TRIAL_H
#define MOONPORT_SERVER_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grants;
struct net_loop;
struct source;
struct trial; /* opaque; frees itself after trial_end() */

/* How it went with one script. */
struct trial_verdict {
  /* Why it must not be loaded, without its path; NULL: it came to its end. Valid during the call. */
  const char *refusal;
  /* The files that it read, as far as it came; the receiver frees them with sources_free(). */
  struct source *sources;
  size_t source_count;
};

struct trial_options {
  const char *host;
  bool unsafe;
  const struct grants *grants; /* NULL: no bounds */
  uint64_t limit_ms;           /* for each script, in wall-clock time */
};

struct trial_events {
  /* In the order in which the scripts were given, once each. */
  void (*on_verdict)(void *context, size_t index, struct trial_verdict *verdict);
  /* Of the last call. False: no child can be had, and scripts without a verdict were not tried. */
  void (*on_end)(void *context, bool was_possible);
};

/* Tries `count` scripts, whose paths must stay. Events come from the loop. 0 or UV_E*: then there is
 * no child, and no event comes. */
int trial_begin(struct net_loop *loop, const struct trial_options *options,
                const char *const *paths, size_t count, const struct trial_events *events,
                void *context, struct trial **out);
/* Kills the child; no event comes any more. */
void trial_end(struct trial *trial);

#endif
