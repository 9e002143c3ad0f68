/* server/reload/trial.h — loads scripts in a child process, to see whether that comes to an end. Knows
 * libuv, no Lua.
 *
 * What runs while a script is loaded may never return: a pattern that backtracks, a loop in a
 * finalizer, a program that waits. A server that loads it could only end. So the same program first
 * loads it in a process of its own, with a time limit. What meets limits.cpu_ms or limits.memory in
 * there is refused, too: the server, whose state has more in it, would have everybody wait for the
 * same end. What else is wrong with a script, the server finds and tells itself: it takes less than
 * that, what the script printed before is shown, and the server may come to another end, with what
 * C modules and files keep, and sockets that only one of the two can open. */
#pragma once

#include "vm/vm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
struct trial; /* opaque; frees itself after trial_end() */

/* How it went with one script. */
struct trial_verdict {
  /* Why it must not be loaded, behind its path; NULL: it came to its end. Valid during the call. */
  const char *refusal;
  const char *traceback; /* to that; NULL: there is none. The same */
  /* The files that it read, as far as it came; the receiver frees them with sources_free(). */
  struct source *sources;
  size_t source_count;
};

struct trial_script {
  const char *path;
  const struct texts *texts; /* in place of files; NULL: there are none */
  struct vm_budget budget;   /* what the server would give it */
};

struct trial_events {
  /* In the order in which the scripts were given, once each. */
  void (*on_verdict)(void *context, size_t index, struct trial_verdict *verdict);
  /* Of the last call. False: no child can be had, and scripts without a verdict were not tried. */
  void (*on_end)(void *context, bool was_possible);
};

/* Tries `count` scripts, which must stay, as the server's options say. Events come from its loop. 0 or UV_E*: then
 * there is no child, and no event comes. */
int trial_begin(const struct server *server, const struct trial_script *scripts, size_t count,
                const struct trial_events *events, void *context, struct trial **out);
/* Kills the child; no event comes any more. */
void trial_end(struct trial *trial);
