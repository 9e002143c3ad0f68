/* net/udp_asked.c — which of our addresses each peer of a datagram socket spoke to. Knows no socket.
 *
 * An answer has to leave from there: whoever asked 10.0.0.2 takes none from 10.0.0.1. The handler of a
 * datagram knows where that came to; a timer or a task names the peer only. So the last some thousand
 * peers are kept. Memory is bounded: in a set of four, a new peer takes the place of the one that was first heard. */
#include "net/udp_asked.h"

#include "base/platform.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SETS = 1024, IN_A_SET = 4 }; /* four times the handlers of a socket that may wait */

struct asker {
  struct in6_addr peer; /* IPv4 in its first bytes, with nothing behind */
  uint32_t scope;
  uint16_t port; /* as on the wire; 0: nobody is here */
  uint16_t family;
  struct in6_addr own;
};

struct udp_asked {
  uint64_t seed;
  struct asker sets[SETS][IN_A_SET]; /* in each, who was heard anew comes first */
};

struct udp_asked *udp_asked_new(void) {
  struct udp_asked *asked = calloc(1, sizeof *asked); /* pages that nobody touches cost nothing */
  if (asked && platform_random(&asked->seed, sizeof asked->seed, false) < 0) {
    asked->seed = (uintptr_t)asked; /* early at boot; better than a constant */
  }
  return asked;
}

void udp_asked_free(struct udp_asked *asked) {
  free(asked);
}

static struct asker asker_of(const struct sockaddr *peer) {
  struct asker asker = {.family = peer->sa_family};
  if (peer->sa_family == AF_INET) {
    const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)peer;
    memcpy(&asker.peer, &ip4->sin_addr, sizeof ip4->sin_addr);
    asker.port = ip4->sin_port;
  } else {
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)(const void *)peer;
    asker.peer = ip6->sin6_addr;
    asker.scope = ip6->sin6_scope_id;
    asker.port = ip6->sin6_port;
  }
  return asker;
}

/* The finalizer of MurmurHash3, over halves that an outsider does not know the place of. */
static struct asker *set_of(struct udp_asked *asked, const struct asker *asker) {
  uint64_t halves[2];
  memcpy(halves, &asker->peer, sizeof halves);
  uint64_t hash = (halves[0] ^ asked->seed) * UINT64_C(0xff51afd7ed558ccd);
  hash = (hash ^ hash >> 33 ^ halves[1] ^ asker->port) * UINT64_C(0xc4ceb9fe1a85ec53);
  return asked->sets[(hash ^ hash >> 33) % SETS];
}

static bool is_same(const struct asker *a, const struct asker *b) {
  return a->port == b->port && a->family == b->family && a->scope == b->scope &&
         memcmp(&a->peer, &b->peer, sizeof a->peer) == 0;
}

static struct asker *find(struct asker *set, const struct asker *asker) {
  for (int i = 0; i < IN_A_SET; i++) {
    if (is_same(&set[i], asker)) return &set[i];
  }
  return NULL;
}

void udp_asked_note(struct udp_asked *asked, const struct sockaddr *peer,
                    const struct in6_addr *own) {
  struct asker asker = asker_of(peer);
  struct asker *set = set_of(asked, &asker);
  struct asker *known = find(set, &asker);
  if (!known) {
    memmove(set + 1, set, (IN_A_SET - 1) * sizeof *set);
    known = set;
    *known = asker;
  }
  known->own = *own;
}

const struct in6_addr *udp_asked_find(struct udp_asked *asked, const struct sockaddr *peer) {
  const struct asker asker = asker_of(peer);
  const struct asker *known = find(set_of(asked, &asker), &asker);
  return known ? &known->own : NULL;
}
