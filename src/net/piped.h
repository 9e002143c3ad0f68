/* net/piped.h — bytes between two sockets, in a pipe that no memory of ours is needed for. For net/ only. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Of a loop, and empty between two events. All zero: it is opened when it is needed first. */
struct piped {
  int ends[2]; /* to read from, to write to */
  size_t size; /* bytes in it */
};

/* How many bytes came from a socket; 0: what there is, be it an end, has to be read. */
size_t piped_take(struct piped *piped, int fd, size_t max);
/* How many a socket took, or UV_E*. */
ssize_t piped_give(struct piped *piped, int fd);
/* The rest, until it is empty. */
void piped_read(struct piped *piped, char *buffer);
void piped_close(struct piped *piped);
