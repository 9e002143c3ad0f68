/* net/place.c — addresses of the network in memory: whether two are the same, and which is free. */
#include "net/network_state.h"

#include "base/address.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

enum { FREE_PORT_FIRST = 49152 };

void place_keep(union place *place, const struct sockaddr *address) {
  memset(place, 0, sizeof *place);
  memcpy(place, address, address_size(address));
}

bool place_is_any(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == INADDR_ANY;
  }
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* But for the port. */
bool place_same_host(const struct sockaddr *a, const struct sockaddr *b) {
  if (a->sa_family != b->sa_family) return false;
  if (a->sa_family == AF_INET) {
    return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
  }
  if (a->sa_family == AF_INET6) {
    return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                              &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr);
  }
  const char *path = ((const struct sockaddr_un *)(const void *)a)->sun_path;
  return memcmp(path, ((const struct sockaddr_un *)(const void *)b)->sun_path,
                sizeof((struct sockaddr_un *)NULL)->sun_path) == 0;
}

static bool same_port(const struct sockaddr *a, const struct sockaddr *b) {
  return a->sa_family == b->sa_family && address_port(a) == address_port(b);
}

/* Whether what is sent to `to` comes to who has `own`. */
bool place_hears(const struct sockaddr *own, const struct sockaddr *to) {
  return same_port(own, to) && (place_is_any(own) || place_same_host(own, to));
}

bool place_collides(const struct sockaddr *a, const struct sockaddr *b, bool beside) {
  if (!same_port(a, b)) return false;
  return place_same_host(a, b) || (!beside && (place_is_any(a) || place_is_any(b)));
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
