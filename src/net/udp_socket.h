/* net/udp_socket.h — a datagram socket's descriptor: opened, bound, sent from. For net/ only. */
#ifndef MOONPORT_NET_UDP_SOCKET_H
#define MOONPORT_NET_UDP_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct udp_options;

/* A bound, non-blocking descriptor, also of the one in `options`, which is closed on failure. It is a
 * member of the group that it is bound to. Or UV_E*. */
int udp_socket_open(const struct udp_options *options);
/* Whether it is bound to all addresses; then it tells with each datagram to which one it was sent. */
bool udp_socket_tells_own(int fd, const struct sockaddr *address);
/* Sends one now. From `own` unless that is NULL; `peer` is NULL on a connected socket. 0 or UV_E*. */
int udp_socket_send(int fd, const char *bytes, size_t size, const struct sockaddr *peer,
                    const struct in6_addr *own);

#endif
