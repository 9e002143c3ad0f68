/* server/peer_counts.c — how many connections each peer's address has. Knows no connection.
 *
 * Open addressing, at most half full: a look is one slot, mostly. An address that has no connection
 * any more leaves its slot, so the table is never larger than four times the connections. */
#include "server/peer_counts.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { CAPACITY_MIN = 16 };

struct peer_count {
  uint64_t key;
  size_t count; /* 0: the slot is free */
};

/* No unicast address begins with ffff, so these are never the first half of an IPv6 one. */
static uint64_t ip4_key(const void *bytes) {
  uint32_t ip4;
  memcpy(&ip4, bytes, sizeof ip4);
  return UINT64_C(0xffff) << 48 | ip4;
}

/* False for a peer without an address. */
static bool key_of(const struct sockaddr *peer, uint64_t *key) {
  if (peer->sa_family == AF_INET) {
    *key = ip4_key(&((const struct sockaddr_in *)(const void *)peer)->sin_addr);
    return true;
  }
  if (peer->sa_family != AF_INET6) return false;
  const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(ip6)) {
    *key = ip4_key(ip6->s6_addr + 12);
  } else {
    uint64_t prefix = 0;
    for (int i = 0; i < 8; i++) prefix = prefix << 8 | ip6->s6_addr[i];
    *key = prefix;
  }
  return true;
}

/* The finalizer of MurmurHash3 over a key that an outsider does not know the place of. */
static size_t home_of(const struct peer_counts *counts, uint64_t key) {
  uint64_t hash = key ^ counts->seed;
  hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
  hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
  return (size_t)(hash ^ hash >> 33) & (counts->capacity - 1);
}

/* The slot of `key`, or the free one where it would go. There is always a free one. */
static struct peer_count *peer_counts_find(const struct peer_counts *counts, uint64_t key) {
  size_t at = home_of(counts, key);
  while (counts->slots[at].count > 0 && counts->slots[at].key != key) {
    at = (at + 1) & (counts->capacity - 1);
  }
  return &counts->slots[at];
}

/* False when memory is out; the table is then as it was. */
static bool resize(struct peer_counts *counts, size_t capacity) {
  struct peer_counts larger = {.capacity = capacity, .used = counts->used, .seed = counts->seed};
  larger.slots = calloc(capacity, sizeof *larger.slots);
  if (!larger.slots) return false;
  for (size_t i = 0; i < counts->capacity; i++) {
    const struct peer_count *slot = &counts->slots[i];
    if (slot->count > 0) *peer_counts_find(&larger, slot->key) = *slot;
  }
  free(counts->slots);
  *counts = larger;
  return true;
}

static bool peer_counts_reserve(struct peer_counts *counts) {
  if (counts->used < counts->capacity / 2) return true;
  if (counts->capacity > 0) return resize(counts, counts->capacity * 2);
  if (getrandom(&counts->seed, sizeof counts->seed, GRND_NONBLOCK) < 0) {
    counts->seed = (uintptr_t)counts; /* early at boot; better than a constant */
  }
  return resize(counts, CAPACITY_MIN);
}

size_t peer_counts_of(const struct peer_counts *counts, const struct sockaddr *peer) {
  uint64_t key;
  if (counts->capacity == 0 || !key_of(peer, &key)) return 0;
  return peer_counts_find(counts, key)->count;
}

void peer_counts_add(struct peer_counts *counts, const struct sockaddr *peer) {
  uint64_t key;
  if (!key_of(peer, &key) || !peer_counts_reserve(counts)) return;
  struct peer_count *slot = peer_counts_find(counts, key);
  if (slot->count == 0) counts->used++;
  slot->key = key;
  slot->count++;
}

/* Moves those behind that could not have their own place closer to it. */
static void close_gap(struct peer_counts *counts, size_t gap) {
  size_t mask = counts->capacity - 1;
  for (size_t at = (gap + 1) & mask; counts->slots[at].count > 0; at = (at + 1) & mask) {
    size_t home = home_of(counts, counts->slots[at].key);
    if (((at - home) & mask) < ((at - gap) & mask)) continue; /* it would be before its home */
    counts->slots[gap] = counts->slots[at];
    counts->slots[at].count = 0;
    gap = at;
  }
}

void peer_counts_remove(struct peer_counts *counts, const struct sockaddr *peer) {
  uint64_t key;
  if (counts->capacity == 0 || !key_of(peer, &key)) return;
  struct peer_count *slot = peer_counts_find(counts, key);
  if (slot->count == 0 || --slot->count > 0) return;
  counts->used--;
  close_gap(counts, (size_t)(slot - counts->slots));
  if (counts->capacity > CAPACITY_MIN && counts->used < counts->capacity / 8) {
    (void)resize(counts, counts->capacity / 2); /* no memory for a smaller one: it stays */
  }
}

void peer_counts_deinit(struct peer_counts *counts) {
  free(counts->slots);
  *counts = (struct peer_counts){0};
}
