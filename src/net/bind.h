/* net/bind.h — a socket from socket(2) to listen(2), for net/ only. */
#ifndef NET_BIND_H
#define NET_BIND_H

#include <sys/socket.h>
#include <sys/types.h>

struct listener_options;

/* A listening, non-blocking descriptor, and for a Unix path the file that bind(2) made. */
struct bound_socket {
  int fd;
  dev_t device;
  ino_t inode; /* 0: not a Unix path */
};

/* 0 or UV_E* as listener_open() says. */
int bind_listening(const struct sockaddr *address, socklen_t size,
                   const struct listener_options *options, struct bound_socket *out);
/* Closes it; unlinks the path of a Unix socket, unless somebody else's is there by now. */
void bind_release(const struct bound_socket *bound);

#endif
