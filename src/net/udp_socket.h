/* net/udp_socket.h — a datagram socket's descriptor: opened, bound, sent from. For net/ and master/. */
#pragma once

#include "base/platform.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct udp_options;

union udp_control {
  size_t align; /* as struct cmsghdr wants it */
  char ip4[PLATFORM_OWN_BYTES];
  char ip6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Lets the message leave from `own`. `family` is the socket's, and the peer's: one of IPv6 has IPv4 inside
 * of its addresses. */
void udp_control_put_own(struct msghdr *message, int family, const struct in6_addr *own,
                         union udp_control *control);

/* A bound, non-blocking descriptor, also of the one in `options`, which is closed on failure. It is a
 * member of the group that it is bound to. Or UV_E*. */
int udp_socket_open(const struct udp_options *options);
/* Whether it is bound to all addresses; then it tells with each datagram to which one it was sent. */
bool udp_socket_tells_own(int fd, const struct sockaddr *address);
/* Sends one now. From `own` unless that is NULL; `peer` is NULL on a connected socket. 0 or UV_E*. */
int udp_socket_send(int fd, const char *bytes, size_t size, const struct sockaddr *peer,
                    const struct in6_addr *own);
