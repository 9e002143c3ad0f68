/* base/reach.c — who can reach a listening socket, after its address. Asks no network. */
#include "base/reach.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* In the byte order of the network. */
static enum reach reach_of_ip4(const unsigned char *bytes) {
  if (bytes[0] == 127) return REACH_LOOPBACK;
  bool any = (bytes[0] | bytes[1] | bytes[2] | bytes[3]) == 0;
  return any ? REACH_ANY : REACH_ONE;
}

static enum reach reach_of_ip6(const struct in6_addr *ip) {
  if (IN6_IS_ADDR_V4MAPPED(ip)) return reach_of_ip4(ip->s6_addr + 12);
  if (IN6_IS_ADDR_LOOPBACK(ip)) return REACH_LOOPBACK;
  return IN6_IS_ADDR_UNSPECIFIED(ip) ? REACH_ANY : REACH_ONE;
}

enum reach reach_of(const struct sockaddr *address) {
  switch (address->sa_family) {
    case AF_INET:
      return reach_of_ip4(
          (const unsigned char *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    case AF_INET6:
      return reach_of_ip6(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    default: return REACH_FILE;
  }
}

const char *reach_container(void) {
  const char *said = getenv("container"); /* systemd's container interface */
  if (said) return *said ? said : NULL;
  if (getenv("KUBERNETES_SERVICE_HOST")) return "kubernetes";
  if (access("/run/.containerenv", F_OK) == 0) return "podman";
  return access("/.dockerenv", F_OK) == 0 ? "docker" : NULL;
}
