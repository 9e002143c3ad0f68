/* base/holder.h — which process has an address, as far as /proc tells. Opens no socket. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct holder {
  bool is_us;      /* this process, whatever part of it */
  long pid;        /* 0: a process of somebody else's, or of another container */
  char name[64];   /* "nginx"; "" without a pid */
  char bound[448]; /* what it is bound to: "0.0.0.0:80", "[::]:80", "unix:/run/x.sock" */
};

/* Finds who listens (for datagrams: who is bound) where `address` cannot be had for it. False: nobody is
 * seen to. */
bool holder_find(const struct sockaddr *address, bool is_datagrams, struct holder *out);
