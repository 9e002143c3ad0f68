/* server/reload/watch.h — tells which files changed. Knows the file system and the loop, and no scripts.
 *
 * Two ways lead to a scan of everything that is watched: an event of the kernel, once nothing has
 * happened for WATCH_QUIET_MS, and the clock, every second. What a scan finds is contents, compared
 * by their digests: a file that was only touched did not change, and an older one put back did.
 * Scans run on a thread of their own and cost the loop nothing but their result. */
#ifndef MOONPORT_SERVER_RELOAD_WATCH_H
#define MOONPORT_SERVER_RELOAD_WATCH_H

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  WATCH_POLL_MS = 1000,    /* between two looks that nothing else asked for */
  WATCH_QUIET_MS = 50,     /* without an event: whoever wrote has finished, mostly */
  WATCH_PATIENCE_MS = 200, /* after the first event: a file that never rests is read anyway */
  WATCH_GONE_MS = 500,     /* before what is missing counts as gone: it may be about to return */
  /* What looks unchanged is read again at each look of the clock, in turn, up to so much: a clock
   * may lie, and two writes may bear one time. 256 scripts of common size, or one large one. */
  WATCH_REHASH_BYTES_MAX = 1024 * 1024,
};

struct log;
struct net_loop;
struct watch; /* opaque; frees itself after watch_free() */

struct watch_options {
  struct log *log;
  bool off; /* nothing is ever found: --no-watch */
};

/* What a script is made of: itself, or what it required. The same file may be named by several. */
struct watch_file {
  const char *path;
  /* What was read there last, so that no change is lost between reading and watching. The same
   * value again, as after a reload that failed, brings nothing that was told already. NULL: the
   * change is from whatever is found there at first. */
  const struct digest *loaded;
  bool missed; /* it was looked for, and could not be read: once it can be, that is told */
};

enum watch_kind {
  WATCH_CHANGED,  /* other contents, or it can be read no longer, or again */
  WATCH_APPEARED, /* a file that was missing, a new script in a served directory, or that directory
                   * itself is back */
  WATCH_VANISHED, /* a file that is gone; or a served directory that is gone or cannot be listed:
                   * then none of its scripts counts as gone */
};

struct watch_item {
  const char *path; /* as it was given, or DIRECTORY/NAME.lua */
  enum watch_kind kind;
  bool is_directory;
};

struct watch_change {
  const struct watch_item *items; /* for the length of the call */
  size_t count;                   /* at least 1 */
};

/* on_change(context, change) is called from the loop, never from inside watch_set(); it may call
 * watch_set() and must not call watch_free(). NULL when memory, descriptors or threads are out. */
struct watch *watch_new(struct net_loop *loop, const struct watch_options *options,
                        void (*on_change)(void *context, const struct watch_change *change),
                        void *context);

/* From now on these files, and the scripts in these directories. All is copied. What is still
 * watched goes on from where it was; a script of a directory that is not among the files has
 * appeared, unless that was told before. 0, or -1: out of memory, and what was watched still is. */
int watch_set(struct watch *watch, const struct watch_file *files, size_t file_count,
              const char *const *directories, size_t directory_count);

/* No call follows. The memory goes when the loop has closed its handles. */
void watch_free(struct watch *watch);

#endif
