/* net/bind.h — a stream socket from socket(2) to bind(2), for net/ and master/. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The file that bind(2) made for a Unix path. It goes with the last of its users. */
struct bound_file {
  unsigned users;
  dev_t device;
  ino_t inode;
};

/* A bound, non-blocking descriptor. */
struct bound_socket {
  int fd;
  struct bound_file *file; /* NULL: not a Unix path, or somebody else's */
};

struct listener_options;

/* 0 or UV_E* as listener_bind() says. */
int bind_open(const struct listener_options *options, struct bound_socket *out);
/* Another descriptor of the same socket. 0 or UV_E*. */
int bind_duplicate(const struct bound_socket *bound, struct bound_socket *out);
/* Takes over a socket that is bound already: what bind_open() sets is set on it. 0 or UV_E*; in both
 * cases the descriptor is `out`'s. */
int bind_adopt(int fd, struct bound_socket *out);
/* The file of a Unix socket is this process's from now on, which unlinks it at the end; or not any more. */
void bind_own_file(struct bound_socket *bound, bool on);
/* What every TCP connection has: accepted ones inherit it. 0 or UV_E*. */
int bind_set_tcp_options(int fd);
/* Closes it; unlinks the path of a Unix socket, unless somebody else's is there by now. */
void bind_release(const struct bound_socket *bound);
