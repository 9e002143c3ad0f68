/* net/bind.h — a stream socket from socket(2) to bind(2), for net/ only. */
#ifndef MOONPORT_NET_BIND_H
#define MOONPORT_NET_BIND_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* A bound, non-blocking descriptor, and for a Unix path the file that bind(2) made. */
struct bound_socket {
  int fd;
  dev_t device;
  ino_t inode; /* 0: not a Unix path */
};

/* 0 or UV_E* as listener_bind() says. With `share_port`, beside other sockets of this process that
 * have SO_REUSEPORT too. */
int bind_open(const struct sockaddr *address, socklen_t size, bool share_port,
              struct bound_socket *out);
/* Takes over a socket that is bound already: what bind_open() sets is set on it. 0 or UV_E*; in both
 * cases the descriptor is `out`'s. */
int bind_adopt(int fd, struct bound_socket *out);
/* What every TCP connection has: accepted ones inherit it. 0 or UV_E*. */
int bind_set_tcp_options(int fd);
/* Closes it; unlinks the path of a Unix socket, unless somebody else's is there by now. */
void bind_release(const struct bound_socket *bound);

#endif
