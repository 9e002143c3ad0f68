/* server/peer_counts.h — how many connections each peer's address has. Knows no connection. */
#ifndef MOONPORT_SERVER_PEER_COUNTS_H
#define MOONPORT_SERVER_PEER_COUNTS_H

#include <stddef.h>
#include <stdint.h>

struct sockaddr;

/* A hash table of the addresses that have connections: all zero when it is empty. An IPv6 address
 * counts with its /64, which is what one machine, or one customer, is given. */
struct peer_counts {
  struct peer_count *slots;
  size_t capacity; /* a power of two, or 0 */
  size_t used;
  uint64_t seed; /* so that nobody can choose addresses that collide */
};

/* A Unix socket's peer has no address, and none of these. */
size_t peer_counts_of(const struct peer_counts *counts, const struct sockaddr *peer);
/* One more. When memory is out it is not counted. */
void peer_counts_add(struct peer_counts *counts, const struct sockaddr *peer);
/* One fewer, if it was counted. */
void peer_counts_remove(struct peer_counts *counts, const struct sockaddr *peer);
void peer_counts_deinit(struct peer_counts *counts);

#endif
