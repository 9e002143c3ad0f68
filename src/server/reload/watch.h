/* server/reload/watch.h — tells which files changed — knows no scripts.
 *
 * A slow file system holds up no connection. What counts is contents: a file that was only touched
 * did not change, and an older one put back did. */
#pragma once

#include "server/reload/scan.h"

struct net_loop;
struct watch; /* opaque; frees itself after watch_free() */

enum {
  WATCH_LOOK_MS = 200,      /* between two looks; as long as one took, where that is more */
  WATCH_QUIET_MS = 50,      /* after one that found something: what stays the same is told */
  WATCH_PATIENCE_LOOKS = 4, /* what never rests is told after so many of those */
  WATCH_GONE_LOOKS = 10,    /* after so many what is missing is gone: it may be about to return */
};

/* on_change(context, scan) is called from the loop, never from inside watch_set(), when entries of
 * the scan are due: `now` is news, `told` what it was before. It may call watch_set(), and must not
 * call watch_free(). NULL when memory or descriptors are out. */
struct watch *watch_new(struct net_loop *loop,
                        void (*on_change)(void *context, const struct scan *scan), void *context);
/* From now on this, which it takes over. What is still watched goes on from where it was: the same
 * contents loaded again, as after a reload that failed, bring nothing that was told already. */
void watch_set(struct watch *watch, struct scan scan);
/* No call follows. Does not wait for a file system that does not answer. */
void watch_free(struct watch *watch);
