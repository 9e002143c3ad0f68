/* net/udp.h — a datagram socket. Knows libuv, not Lua. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct net_loop;
struct udp; /* opaque; frees itself after udp_close() */

/* Called from the loop, never from inside a udp_*() call; any of those may be called from them. */
struct udp_events {
  /* Whether to receive now; false stops receiving, and the datagram stays in the kernel.
   * NULL: always. */
  bool (*is_wanted)(void *owner);
  /* How many may come at once; NULL: any number. Not asked in memory, where each comes by itself. */
  size_t (*room)(void *owner);
  void (*on_datagram)(void *owner, const char *bytes, size_t size, const struct sockaddr *peer);
  /* An earlier datagram did not arrive: UV_ECONNREFUSED on a connected socket whose peer's machine
   * says that nobody listens there. NULL: nobody wants to know. */
  void (*on_error)(void *owner, int rc);
};

struct udp_options {
  const struct sockaddr *address; /* to bind to, without a descriptor */
  const char *script;             /* whose it is, for who watches */
  int descriptor;     /* one that is bound already, to use instead; taken over. 0: none */
  bool reuse_address; /* several sockets may have it: a multicast group's, say */
  bool beside;        /* others have the port, at other addresses, and share it */
  bool joins;         /* the group, when the address is one; then others may have it, too */
  int interface;      /* an IPv4 group's; 0: as the routes say */
  bool batch;         /* recvmmsg(2): for a socket that is always received from */
};

/* Receives nothing until udp_receive(). 0 and *out, or a negative UV_E*. */
int udp_open(struct net_loop *loop, const struct udp_options *options,
             const struct udp_events *events, void *owner, struct udp **out);
int udp_receive(struct udp *udp, bool on); /* 0 or UV_E* */
/* Receives what waits in the kernel, which udp_close() would lose. */
void udp_receive_waiting(struct udp *udp);
/* Which of several addresses the datagram that is told was sent to; NULL: there is but one, or it was a
 * group. Until on_datagram returns. */
const struct in6_addr *udp_own(const struct udp *udp);
/* The same, a group too: as the datagram's own head has it. */
const struct in6_addr *udp_destination(const struct udp *udp);
/* Datagrams that the kernel dropped so far, for want of room in the socket's buffer. */
uint32_t udp_lost(const struct udp *udp);
/* Leaves from `own`, IPv4 as "::ffff:127.0.0.1"; with NULL, of a socket with several addresses, from the
 * one that `peer` asked lately.
 * 0, UV_EAGAIN when the kernel's buffer is full, UV_EMSGSIZE, or another UV_E*, which may also be
 * what became of an earlier datagram, as for on_error. `peer` is NULL on a connected socket. Never
 * waits and never queues: a datagram is sent now, or not; but for the answers to datagrams that came
 * together, which leave when all of these were handled. */
int udp_send(struct udp *udp, const char *bytes, size_t size, const struct sockaddr *peer,
             const struct in6_addr *own);
void udp_share_port(const struct udp *udp, bool on); /* as listener_share_port() */
int udp_connect(struct udp *udp, const struct sockaddr *peer);
int udp_address(const struct udp *udp, struct sockaddr_storage *out, socklen_t *size);
int udp_descriptor(const struct udp *udp); /* or UV_ENOTSUP */
void udp_close(struct udp *udp);
