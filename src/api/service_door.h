/* api/service_door.h — what a service says of who may come in: read from its checked table, and asked. Counts
 * nobody. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ip_network;
struct sockaddr;

struct network_list {
  struct ip_network *networks;
  size_t count;
};

struct service_door {
  struct network_list allow; /* empty: everybody */
  struct network_list deny;  /* of those, these not */
  struct network_list
      proxies;       /* who may pass connections on to us; each of them has to say whose */
  bool is_proxied;   /* connections begin with the header of a proxy */
  bool any_proxy;    /* everybody may send it */
  bool unix_proxies; /* who comes over a Unix socket may */
  uint32_t accept_interval_us; /* limits.accept_rate: one in such a time; 0: no bound */
  uint32_t accept_burst;       /* limits.accept_burst: so many at once; at least 1 */
};

/* Takes over the lists of the checked table at `table`. Raises when memory is out; what was taken by then is
 * in *door. */
void service_door_take(lua_State *L, int table, struct service_door *door);
void service_door_deinit(struct service_door *door);
/* By `allow` and `deny`. Who has no address of the internet comes over a Unix socket, where the file's mode
 * says who may. */
bool service_door_admits(const struct service_door *door, const struct sockaddr *peer);
/* Whether `peer` may say whose connection it is. */
bool service_door_believes(const struct service_door *door, const struct sockaddr *peer);

/* For the rules in lua/moonport/service/door.lua: is_network(text) -> boolean, and of an
 * address within a larger network, "10.0.0.1/8", that network. */
int service_is_network(lua_State *L);
