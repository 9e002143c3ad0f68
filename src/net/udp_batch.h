/* net/udp_batch.h — several datagrams from the kernel in one call. For net/ only. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum { UDP_BATCH_MAX = 20, DATAGRAM_BYTES_MAX = 65536 };

struct udp_batch; /* opaque; of a loop, which reads one socket at a time */

struct udp_letter {
  const char *bytes; /* until the next udp_batch_read() */
  size_t size;
  struct sockaddr_storage *peer; /* IPv4 in an IPv6 address is IPv4 here */
  const struct in6_addr *to;     /* which address it says itself; NULL: the kernel did not say */
  const struct in6_addr *own;    /* to which address it was sent; NULL: the kernel did not say */
};

struct udp_batch *udp_batch_new(void); /* NULL when memory is out */
void udp_batch_free(struct udp_batch *batch);
/* How many there were, at most `max`, or a negative UV_E*; UV_EAGAIN: none. */
int udp_batch_read(struct udp_batch *batch, int fd, int max);
void udp_batch_letter(struct udp_batch *batch, int index, struct udp_letter *out);
