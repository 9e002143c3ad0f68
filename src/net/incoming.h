/* net/incoming.h — a connection that waits to be accepted, for net/ only. */
#pragma once

struct memory_pipe;

/* On the stack of who tells of it. */
struct incoming {
  int fd;
  struct memory_pipe *pipe; /* of the network in memory, in place of `fd`; or NULL */
};
