/* net/place.c — addresses of the network in memory: whether two are the same, and which is free. */
#include "net/network_state.h"

#include "base/address.h"
#include "base/reach.h"

#include <netinet/in.h>
#include <string.h>

enum { FREE_PORT_FIRST = 49152 };

void place_keep(union place *place, const struct sockaddr *address) {
  memset(place, 0, sizeof *place);
  memcpy(place, address, address_size(address));
}

bool place_is_any(const struct sockaddr *address) {
  return reach_of(address) == REACH_ANY;
}

static bool same_port(const struct sockaddr *a, const struct sockaddr *b) {
  return a->sa_family == b->sa_family && address_port(a) == address_port(b);
}

/* Whether what is sent to `to` comes to who has `own`. */
bool place_hears(const struct sockaddr *own, const struct sockaddr *to) {
  return same_port(own, to) && (place_is_any(own) || address_same_host(own, to));
}

bool place_collides(const struct sockaddr *a, const struct sockaddr *b, bool beside) {
  if (!same_port(a, b)) return false;
  return address_same_host(a, b) || (!beside && (place_is_any(a) || place_is_any(b)));
}

static uint16_t take_free_port(struct network *network) {
  if (network->free_port < FREE_PORT_FIRST) network->free_port = FREE_PORT_FIRST;
  return network->free_port++;
}

/* A port of 0 is one that is free. */
void network_keep_own(struct network *network, union place *own, const struct sockaddr *address) {
  place_keep(own, address);
  if (address_port(address) == 0) address_set_port(&own->any, take_free_port(network));
}

/* Who connects to `to`, without a name of its own. */
void network_make_caller(struct network *network, const struct sockaddr *to, union place *from) {
  memset(from, 0, sizeof *from);
  from->any.sa_family = to->sa_family;
  if (to->sa_family == AF_UNIX) return;
  struct sockaddr_in *ip4 = (struct sockaddr_in *)from;
  struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)from;
  if (to->sa_family == AF_INET) ip4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (to->sa_family == AF_INET6) ip6->sin6_addr = in6addr_loopback;
  address_set_port(&from->any, take_free_port(network));
}
