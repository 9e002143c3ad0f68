/* base/file.h — opens files that others name, without being held up by what is none. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* A descriptor to read a regular file of at most `size_max` bytes by, with *status filled in; the
 * caller closes it. Otherwise a negative errno: -EISDIR for a directory, -ENXIO for a device, a
 * pipe or a socket, which is not even opened (a pipe's writer, a tape, a watchdog would notice),
 * -EFBIG for what is larger, or why it cannot be opened. Never waits for a writer. */
int file_open_regular(const char *path, long long size_max, struct stat *status);

/* What is none: -EISDIR or -ENXIO as above; 0 of a regular one. */
int file_kind_refusal(const struct stat *status);
bool file_is_directory(const char *path);

/* The whole of such a file, for the caller to free. NULL, with a negative errno in *rc as above. */
char *file_read(const char *path, long long size_max, size_t *size, int *rc);

/* Where a path leads. */
struct file_place {
  char path[PATH_MAX];    /* absolute, without links or dots */
  bool is_process_memory; /* /proc/PID/mem, whatever it is called */
};

/* Follows `path` without opening what is there; of one that does not exist, the directories that do. A link at
 * its end is followed with `follows`, or is itself what is found. 0, or a negative errno; -ELOOP for
 * a link that leads to nothing. */
int file_find(const char *path, bool follows, struct file_place *out);
/* Whether the real path is `directory`'s, or of something in it. */
bool file_is_below(const char *real_path, const char *directory);

/* Whether this errno of a call on a path tells nothing of what is there: descriptors or memory are
 * out, or the medium failed. What was known of the path before still holds. */
bool file_error_is_passing(int error);

/* Whether any file could be opened now: 0, or the errno, of a call that does not tell why it failed. */
int file_shortage(void);
