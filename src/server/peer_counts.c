/* server/peer_counts.c — how many connections each peer's address has. Knows no connection.
 *
 * The counts are in a balanced tree, tsearch(3): no choice of addresses makes a look slow. */
#include "server/peer_counts.h"

#include <netinet/in.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 8 };

struct peer_count {
  unsigned char key[KEY_BYTES]; /* first: what is looked for is a key */
  size_t count;
};

static int compare_keys(const void *a, const void *b) {
  return memcmp(a, b, KEY_BYTES);
}

/* No unicast address begins with ffff, so these are never the first half of an IPv6 one. */
static void set_ip4(unsigned char key[KEY_BYTES], const void *ip4) {
  memcpy(key, "\xff\xff\0", 4);
  memcpy(key + 4, ip4, sizeof(struct in_addr));
}

/* False for a peer without an address. */
static bool key_of(const struct sockaddr *peer, unsigned char key[KEY_BYTES]) {
  if (peer->sa_family == AF_INET) {
    set_ip4(key, &((const struct sockaddr_in *)(const void *)peer)->sin_addr);
    return true;
  }
  if (peer->sa_family != AF_INET6) return false;
  const struct in6_addr *ip6 = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(ip6)) {
    set_ip4(key, ip6->s6_addr + 12);
  } else {
    memcpy(key, ip6->s6_addr, KEY_BYTES);
  }
  return true;
}

/* NULL: it has none. */
static struct peer_count *peer_counts_find(const struct peer_counts *counts,
                                           const struct sockaddr *peer) {
  unsigned char key[KEY_BYTES];
  struct peer_count **found = key_of(peer, key) ? tfind(key, &counts->tree, compare_keys) : NULL;
  return found ? *found : NULL;
}

size_t peer_counts_of(const struct peer_counts *counts, const struct sockaddr *peer) {
  const struct peer_count *found = peer_counts_find(counts, peer);
  return found ? found->count : 0;
}

void peer_counts_add(struct peer_counts *counts, const struct sockaddr *peer) {
  struct peer_count *found = peer_counts_find(counts, peer);
  if (found) {
    found->count++;
    return;
  }
  struct peer_count *added = malloc(sizeof *added);
  if (!added) return;
  added->count = 1;
  if (!key_of(peer, added->key) || !tsearch(added, &counts->tree, compare_keys)) free(added);
}

void peer_counts_remove(struct peer_counts *counts, const struct sockaddr *peer) {
  struct peer_count *found = peer_counts_find(counts, peer);
  if (!found || --found->count > 0) return;
  tdelete(found, &counts->tree, compare_keys);
  free(found);
}

void peer_counts_deinit(struct peer_counts *counts) {
  tdestroy(counts->tree, free);
  counts->tree = NULL;
}
