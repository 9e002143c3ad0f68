/* base/disk.h — what can be done with files, one deed at a time, each of which may take long — does not
 * know who asks, or in which thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

enum disk_deed {
  DISK_READ,  /* the whole of `path`, of at most `max` bytes */
  DISK_WRITE, /* in place of what `path` was: whoever reads it sees the old or the new, and whole */
  DISK_APPEND, /* at the end of `path` */
  DISK_STAT,
  DISK_LIST, /* the names in it, sorted, each with a NUL; at most `max` of them */
  DISK_OPEN, /* with `flags` of open(2) */
  DISK_GET,  /* up to `max` bytes of `fd`, from `at` on or (negative) where it stands */
  DISK_PUT,  /* all of `bytes` at `fd` */
};

/* One deed, with memory of its own. */
struct disk_job {
  enum disk_deed deed;
  char *path;
  char *bytes; /* to be written; or what was read */
  size_t size;
  size_t max;
  struct blob *blob; /* of DISK_GET: where `bytes` are, if it is not NULL, with room for `max` */
  int flags;
  int fd; /* of DISK_OPEN the result, which the job closes unless it is taken; negative: none */
  bool owns_fd;
  off_t at;
  struct stat status;
  int rc; /* 0, or a negative errno; -EFBIG: it is more than `max` */
};

/* Does it, and fills in the results. What is no regular file is refused, with -EISDIR or -ENXIO, where
 * its bytes are asked for: a pipe could hold up whoever opens it for ever. */
void disk_do(struct disk_job *job);
void disk_job_deinit(struct disk_job *job);
