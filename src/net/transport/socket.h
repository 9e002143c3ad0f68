/* net/transport/socket.h — the lowest layers that have a socket, and what they share. For net/ only. */
#pragma once

#include "net/transport/transport.h"

#include <stdbool.h>

struct net_loop;

/* Which one a loop's connections have is chosen when the loop is made: loop->sockets. */
struct socket_kind {
  size_t (*size)(bool is_unix); /* of the layer's memory, of a TCP or a Unix socket */
  void (*init)(struct transport *self, struct transport *above, struct net_loop *loop,
               bool is_unix);
  /* One of the next two follows, before open(). 0 or UV_E*; a descriptor that was not adopted is
   * still the caller's. */
  int (*connect)(struct transport *self, const struct sockaddr *address);
  int (*adopt)(struct transport *self, int fd);
  void (*tell_staged)(struct net_loop *loop); /* what is in its stage; NULL: nothing ever is */
  /* Moves what `received` told of without bytes to a socket. How much of it that took, or UV_E*; the
   * rest, with NULL all of it, is in the read buffer then. NULL: there is no pipe. */
  ssize_t (*pour)(struct net_loop *loop, const struct transport *to);
};

extern const struct socket_kind plain_sockets;  /* plain.c: libuv's streams, on any system */
extern const struct socket_kind direct_sockets; /* direct.c: an epoll set of our own, on Linux */

/* Ops and facts of any layer that has a descriptor. */
int socket_local(const struct transport *self, struct sockaddr *out, socklen_t *size);
int socket_peer(const struct transport *self, struct sockaddr *out, socklen_t *size);
int socket_tcp_info(const struct transport *self, struct platform_tcp *out);
int socket_error(const struct transport *self);
size_t socket_unread(const struct transport *self);
int socket_finish(struct transport *self);

/* As write_now(). */
ssize_t socket_write(int fd, const uv_buf_t *bufs, unsigned count);
