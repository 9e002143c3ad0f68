/* net/option.c — socket options by name: setsockopt(2), getsockopt(2) on any of our descriptors. */
#include "net/option.h"

#include "base/platform.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

const struct net_option net_options[] = {
    {"nodelay", IPPROTO_TCP, TCP_NODELAY, NET_OPTION_SWITCH, 1},
    {"keepalive", SOL_SOCKET, SO_KEEPALIVE, NET_OPTION_SWITCH, 1},
    {"reuseaddr", SOL_SOCKET, SO_REUSEADDR, NET_OPTION_SWITCH, 1},
    {"broadcast", SOL_SOCKET, SO_BROADCAST, NET_OPTION_SWITCH, 0},
    {"rcvbuf", SOL_SOCKET, SO_RCVBUF, NET_OPTION_NUMBER, 131072}, /* bytes; Linux doubles it */
    {"sndbuf", SOL_SOCKET, SO_SNDBUF, NET_OPTION_NUMBER, 2626560},
    {"ttl", IPPROTO_IP, IP_TTL, NET_OPTION_NUMBER, 64},
    {"multicast_ttl", IPPROTO_IP, IP_MULTICAST_TTL, NET_OPTION_NUMBER, 1},
    {"multicast_loop", IPPROTO_IP, IP_MULTICAST_LOOP, NET_OPTION_SWITCH, 1},
    {"linger", SOL_SOCKET, SO_LINGER, NET_OPTION_SECONDS, -1},
    {NULL, 0, 0, NET_OPTION_SWITCH, 0},
};

const struct net_option *net_option_find(const char *name) {
  for (const struct net_option *option = net_options; option->name; option++) {
    if (strcmp(option->name, name) == 0) return option;
  }
  return NULL;
}

int net_option_set(int fd, const struct net_option *option, int value) {
  const struct linger linger = {.l_onoff = value >= 0, .l_linger = value < 0 ? 0 : value};
  bool is_linger = option->kind == NET_OPTION_SECONDS;
  const void *bytes = is_linger ? (const void *)&linger : &value;
  socklen_t size = is_linger ? sizeof linger : sizeof value;
  if (setsockopt(fd, option->level, option->option, bytes, size) == 0) return 0;
  return uv_translate_sys_error(errno);
}

int net_option_get(int fd, const struct net_option *option, int *value) {
  struct linger linger = {0};
  bool is_linger = option->kind == NET_OPTION_SECONDS;
  socklen_t size = is_linger ? sizeof linger : sizeof *value;
  void *bytes = is_linger ? (void *)&linger : value;
  if (getsockopt(fd, option->level, option->option, bytes, &size) < 0) {
    return uv_translate_sys_error(errno);
  }
  if (is_linger) *value = linger.l_onoff ? linger.l_linger : -1;
  return 0;
}

int net_option_membership(int fd, const char *group, bool join) {
  struct ip_mreqn ip4 = {0};
  struct ipv6_mreq ip6 = {0};
  char number[INET6_ADDRSTRLEN];
  const char *interface = strchr(group, '%');
  int rc;
  snprintf(number, sizeof number, "%.*s", (int)strcspn(group, "%"), group);
  const unsigned index = interface ? if_nametoindex(interface + 1) : 0;
  if (interface && index == 0) return UV_ENXIO;
  if (inet_pton(AF_INET, number, &ip4.imr_multiaddr) == 1) {
    int option = join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
    ip4.imr_ifindex = (int)index;
    rc = setsockopt(fd, IPPROTO_IP, option, &ip4, sizeof ip4);
    /* Else it hears the groups of every other socket of this machine as well. */
    if (rc == 0 && join) (void)platform_hear_joined(fd, AF_INET);
  } else if (inet_pton(AF_INET6, number, &ip6.ipv6mr_multiaddr) == 1) {
    int option = join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
    ip6.ipv6mr_interface = index;
    rc = setsockopt(fd, IPPROTO_IPV6, option, &ip6, sizeof ip6);
  } else {
    return UV_EINVAL;
  }
  return rc == 0 ? 0 : uv_translate_sys_error(errno);
}
