/* server/reload/scan.h — what is at some paths now — knows the file system only.
 *
 * A pass costs a stat() for each file, listing each directory, and reading what looks different.
 * It waits as long as the file system does. */
#pragma once

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  PRINT_UNKNOWN = -1, /* nothing could be told of it yet: for want of a descriptor, say */
  PRINT_MISSED = -2,  /* it could not be read, for whatever reason */
};

/* What is at a path, as far as one can be told from another. */
struct file_print {
  long long error;      /* why it cannot be read: an errno, ENOENT when it is missing; 0: it can */
  struct digest digest; /* of a file's contents, or of the names of the scripts in a directory */
};

static inline bool file_print_equal(struct file_print a, struct file_print b) {
  return a.error == b.error && digest_equal(a.digest, b.digest);
}

struct scan_entry {
  char *path;
  bool is_directory;
  struct file_print now; /* as of the last pass that could tell */
  bool may_hang;         /* it is of a network or the like, as of the last time that it was read */
  struct digest mark;    /* when stat() says the same as then, so are the contents, mostly */
  struct file_print loaded; /* as given */
  struct file_print told;   /* these are the watch's: what it told last, */
  unsigned missing_looks;   /* how often it was not there, */
  bool is_due;              /* and whether it tells of it now */
};

struct scan {
  struct scan_entry *entries; /* once it runs, the directories come last */
  size_t count;
  size_t reread_next;
  bool may_hang; /* one of the entries may */
  bool is_lost;  /* one of the directories could not be listed */
  bool is_cut;   /* memory was out, and something was not added */
};

/* `loaded` is what was read there last; NULL when it could not be, and for a directory. The same
 * file may be there several times, loaded with different contents. An empty scan is all 0. */
void scan_add(struct scan *scan, const char *path, bool is_directory, const struct digest *loaded);
/* When all is added: goes on from where another scan was, which ends. What was told before counts
 * as told, where nothing else was loaded since. */
void scan_follow(struct scan *scan, struct scan *before);
/* One pass. True when it found anything else than the pass before. Of the files that look unchanged
 * some are read all the same: a clock may lie, and two writes may bear one time. */
bool scan_run(struct scan *scan);
void scan_deinit(struct scan *scan);

struct file_print scan_look(const char *path); /* what is there now */
