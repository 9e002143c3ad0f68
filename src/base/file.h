/* base/file.h — opens files that others name, without being held up by what is none. */
#ifndef MOONPORT_BASE_FILE_H
#define MOONPORT_BASE_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* A descriptor to read a regular file of at most `size_max` bytes by, with *status filled in; the
 * caller closes it. Otherwise a negative errno: -EISDIR for a directory, -ENXIO for a device, a
 * pipe or a socket, which is not even opened (a pipe's writer, a tape, a watchdog would notice),
 * -EFBIG for what is larger, or why it cannot be opened. Never waits for a writer. */
int file_open_regular(const char *path, long long size_max, struct stat *status);

/* Whether this errno of a call on a path tells nothing of what is there: descriptors or memory are
 * out, or the medium failed. What was known of the path before still holds. */
bool file_error_is_passing(int error);

#endif
