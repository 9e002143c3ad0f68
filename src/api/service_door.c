/* api/service_door.c — what a service says of who may come in: read from its checked table, and asked. Counts
 * nobody. */
#include "api/service_door.h"

#include "base/ip.h"

#include <lauxlib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void take_list(lua_State *L, int table, const char *name, struct network_list *list) {
  const size_t count = lua_getfield(L, table, name) == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
  if (count > 0) list->networks = calloc(count, sizeof *list->networks);
  if (count > 0 && !list->networks) luaL_error(L, "not enough memory");
  for (size_t i = 0; i < count; i++) {
    size_t size;
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    const char *text = lua_tolstring(L, -1, &size);
    if (ip_network_parse(text, size, &list->networks[list->count])) list->count++;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static bool take_flag(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  const bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

static uint32_t take_number(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  const uint32_t number = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return number;
}

void service_door_take(lua_State *L, int table, struct service_door *door) {
  enum { SECOND_US = 1000000 };
  door->is_proxied = take_flag(L, table, "is_proxied");
  door->any_proxy = take_flag(L, table, "any_proxy");
  door->unix_proxies = take_flag(L, table, "unix_proxies");
  door->accept_interval_us = take_number(L, table, "accept_interval_us");
  door->accept_burst = take_number(L, table, "accept_burst");
  /* One second's, unless it says so. */
  if (door->accept_burst == 0 && door->accept_interval_us > 0) {
    door->accept_burst = SECOND_US / door->accept_interval_us;
  }
  if (door->accept_burst == 0) door->accept_burst = 1;
  take_list(L, table, "allow", &door->allow);
  take_list(L, table, "deny", &door->deny);
  take_list(L, table, "proxies", &door->proxies);
}

void service_door_deinit(struct service_door *door) {
  free(door->allow.networks);
  free(door->deny.networks);
  free(door->proxies.networks);
  *door = (struct service_door){0};
}

/* False: it has none. */
static bool ip_of(const struct sockaddr *peer, struct ip *out) {
  if (peer->sa_family == AF_INET) {
    out->size = sizeof(struct in_addr);
    memcpy(out->bytes, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, out->size);
    return true;
  }
  if (peer->sa_family != AF_INET6) return false;
  out->size = sizeof(struct in6_addr);
  memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, out->size);
  return true;
}

static bool has(const struct network_list *list, const struct ip *ip) {
  return ip_is_in_any(ip, list->networks, list->count);
}

bool service_door_admits(const struct service_door *door, const struct sockaddr *peer) {
  struct ip ip;
  if (door->allow.count == 0 && door->deny.count == 0) return true;
  if (!ip_of(peer, &ip)) return true;
  return !has(&door->deny, &ip) && (door->allow.count == 0 || has(&door->allow, &ip));
}

bool service_door_believes(const struct service_door *door, const struct sockaddr *peer) {
  struct ip ip;
  if (door->any_proxy) return true;
  return ip_of(peer, &ip) ? has(&door->proxies, &ip) : door->unix_proxies;
}

int service_is_network(lua_State *L) {
  struct ip_network network;
  size_t size;
  char trimmed[IP_TEXT_MAX];
  const char *text = luaL_checklstring(L, 1, &size);
  const bool is_network = ip_network_parse(text, size, &network);
  lua_pushboolean(L, is_network);
  if (!is_network || !ip_network_trim(&network)) return 1;
  ip_format(&network.ip, trimmed);
  lua_pushfstring(L, "%s/%d", trimmed, (int)network.bits);
  return 2;
}
