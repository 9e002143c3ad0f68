/* server/peer_counts.h — how many connections each peer's address has. Knows no connection. */
#pragma once

#include <stddef.h>

struct sockaddr;

/* The addresses that have connections: all zero when there are none. An IPv6 address counts with its
 * /64, which is what one machine, or one customer, is given. */
struct peer_counts {
  void *tree;
};

/* A Unix socket's peer has no address, and none of these. */
size_t peer_counts_of(const struct peer_counts *counts, const struct sockaddr *peer);
/* One more. When memory is out it is not counted. */
void peer_counts_add(struct peer_counts *counts, const struct sockaddr *peer);
/* One fewer, if it was counted. */
void peer_counts_remove(struct peer_counts *counts, const struct sockaddr *peer);
void peer_counts_deinit(struct peer_counts *counts);
