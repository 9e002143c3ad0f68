/* server/reload/scan.h — what is at some paths now: contents, and scripts in directories. Knows the file
 * system only.
 *
 * A pass costs a stat() for each file, an lstat() for each name on the way to it, and reading what
 * looks different than in the pass before. It waits as long as the file system does, so it belongs
 * on a thread of its own (server/reload/scanner.h). */
#ifndef MOONPORT_SERVER_RELOAD_SCAN_H
#define MOONPORT_SERVER_RELOAD_SCAN_H

#include "base/digest.h"
#include "server/reload/places.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum file_state { FILE_UNKNOWN, FILE_ABSENT, FILE_UNREADABLE, FILE_READ };

/* What is at a path, as far as one can be told from another. */
struct file_print {
  enum file_state state;
  struct digest digest; /* of the contents; FILE_UNREADABLE: `hash` is the errno */
};

/* When all of this is as it was, so are the contents, mostly. */
struct file_mark {
  dev_t dev;
  ino_t inode;
  off_t size;
  struct timespec modified;
  struct timespec changed; /* ctime: unlike mtime, no program can set it */
};

struct scan_file {
  char *path;
  bool listed;               /* found in a directory rather than asked for */
  struct file_print now;     /* as of the last pass that could tell; until then FILE_UNKNOWN */
  struct file_mark mark;     /* when it was read */
  struct file_print loaded;  /* the owner's: what was in force when it was set */
  struct file_print known;   /* the owner's: what it was told of last */
  uint64_t missing_since_ms; /* the owner's; 0: it is there */
};

struct scan_directory {
  char *path;
  int error;       /* errno of listing it in the last pass, or 0 */
  int error_known; /* the owner's */
};

/* Between passes it belongs to the loop, during one to the thread that runs it. */
struct scan {
  struct scan_file *files; /* sorted by path */
  size_t file_count;
  size_t sorted_count; /* the first so many are in order */
  struct scan_directory *directories;
  size_t directory_count;
  struct places places; /* whose changes matter, as of the last pass */
  bool places_known;    /* false: memory was out, or the like, and they are not all */
  size_t rehash_next;   /* the file that is read again next */
  atomic_bool stop;     /* set from any thread: the pass ends after the file that it is at */
};

struct scan *scan_new(void); /* NULL: out of memory */
void scan_free(struct scan *scan);
/* The path is copied. The same path may be there several times, `loaded` with different contents.
 * NULL: out of memory. The file is valid until the next call. */
struct scan_file *scan_add_file(struct scan *scan, const char *path);
/* 0, or -1: out of memory. A directory that is there already is not added again. */
int scan_add_directory(struct scan *scan, const char *path);
/* By path, then by what was loaded. To be called when all is added. */
void scan_sort(struct scan *scan);
/* A file of that path, or NULL; with `loaded`, only one that has it. */
struct scan_file *scan_find(const struct scan *scan, const char *path,
                            const struct file_print *loaded);
void scan_forget(struct scan *scan, size_t index); /* of a file that was listed; keeps the order */
/* The served directory that `path` is in, or NULL. */
const struct scan_directory *scan_directory_of(const struct scan *scan, const char *path);

/* One pass. Of the files that look unchanged some are read all the same, in turn, up to
 * `rehash_bytes_max`: a clock may lie. */
void scan_run(struct scan *scan, size_t rehash_bytes_max);

/* What is at `path` now. */
struct file_print scan_look(const char *path);
bool file_print_equal(struct file_print a, struct file_print b);

#endif
