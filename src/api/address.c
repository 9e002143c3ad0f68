/* api/address.c — moonport.address: addresses as values. Asks nobody, and opens nothing.
 *
 * What comes from a peer, a name or a number, is a host here and nothing else: no scheme, no path and no
 * port can be said in it. */
#include "base/address.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "base/ip.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_BYTES = 512 };

static int address_refuse(lua_State *L, const char *detail) {
  return api_push_failure(L, "EINVAL", detail);
}

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* address.parse(text) -> { scheme, host, port, path } | nil, "EINVAL", detail */
static int l_parse(lua_State *L) {
  struct address address;
  char error[ERROR_BYTES];
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  api_check_count(L, 1, NULL);
  if (strlen(text) != size) return address_refuse(L, "the address contains a NUL byte");
  bool is_unnamed = strcmp(text, "unix:") == 0; /* a peer that has no path */
  if (!is_unnamed && address_parse(text, "127.0.0.1", &address, error, sizeof error) < 0) {
    return address_refuse(L, error);
  }
  lua_createtable(L, 0, 3);
  if (is_unnamed || address.kind == ADDRESS_UNIX) {
    set_text(L, "scheme", "unix");
    if (!is_unnamed) set_text(L, "path", address.path);
    return 1;
  }
  if (strstr(text, "://")) set_text(L, "scheme", address_scheme(address.kind));
  if (!address.host_is_default) set_text(L, "host", address.host);
  lua_pushinteger(L, address.port);
  lua_setfield(L, -2, "port");
  return 1;
}

/* Pushes "HOST:PORT" with what brackets it needs, behind `scheme`. */
static int push_host(lua_State *L, const char *scheme, int host, lua_Integer port) {
  struct address address;
  char error[ERROR_BYTES], text[ADDRESS_TEXT_MAX];
  size_t size;
  if (port < 0 || port > UINT16_MAX) {
    snprintf(error, sizeof error, "the port %lld is none: they are 0 to 65535", (long long)port);
    return address_refuse(L, error);
  }
  const char *bytes = lua_tolstring(L, host, &size);
  if (address_from_host(bytes, size, (uint16_t)port, &address, error, sizeof error) < 0) {
    return address_refuse(L, error);
  }
  address_format(&address, text, sizeof text);
  lua_pushfstring(L, "%s%s", scheme, strstr(text, "://") + strlen("://"));
  return 1;
}

/* "tcp://" of a scheme at the top, "" of nil. Raises for others. */
static const char *check_scheme(lua_State *L) {
  static const char *const names[] = {"tcp", "udp", "tls", NULL};
  if (lua_isnil(L, -1)) return "";
  const char *scheme = lua_tostring(L, -1);
  for (size_t i = 0; scheme && names[i]; i++) {
    if (strcmp(scheme, names[i]) == 0) return lua_pushfstring(L, "%s://", scheme);
  }
  luaL_error(L, "the scheme '%s' is none of tcp, udp, tls and unix", luaL_tolstring(L, -1, NULL));
  return NULL;
}

static int push_path(lua_State *L) {
  struct address address;
  char error[ERROR_BYTES], text[ADDRESS_TEXT_MAX];
  size_t size;
  const char *path = luaL_checklstring(L, -1, &size);
  if (strlen(path) != size) return address_refuse(L, "the path contains a NUL byte");
  /* Of two slashes, as address_parse() has it, the first ones would be dropped. */
  lua_pushfstring(L, strncmp(path, "//", 2) == 0 ? "unix://%s" : "unix:%s", path);
  if (address_parse(lua_tostring(L, -1), NULL, &address, error, sizeof error) < 0) {
    return address_refuse(L, error);
  }
  address_format(&address, text, sizeof text);
  lua_pushstring(L, text);
  return 1;
}

static void check_names(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    const char *name = luaL_tolstring(L, -2, NULL);
    if (!strstr(" scheme host port path ", lua_pushfstring(L, " %s ", name))) {
      luaL_error(L, "an address has no field '%s' (known: scheme, host, port, path)", name);
    }
    lua_pop(L, 2);
  }
}

/* What address.parse() gave. */
static int format_table(lua_State *L) {
  check_names(L);
  lua_settop(L, 1);
  lua_getfield(L, 1, "host"); /* 2 */
  lua_getfield(L, 1, "port"); /* 3 */
  if (lua_getfield(L, 1, "path") != LUA_TNIL) return push_path(L);
  lua_getfield(L, 1, "scheme");
  bool is_unix = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "unix") == 0;
  if (is_unix && lua_isnil(L, 2) && lua_isnil(L, 3)) { /* a peer without a path */
    lua_pushliteral(L, "unix:");
    return 1;
  }
  const char *scheme = check_scheme(L);
  int is_integer;
  lua_Integer port = lua_tointegerx(L, 3, &is_integer);
  if (!is_integer) return luaL_error(L, "the field 'port' of the address must be a whole number");
  if (lua_isnil(L, 2) && port >= 0 && port <= UINT16_MAX) {
    lua_pushfstring(L, "%s:%I", scheme, port);
    return 1;
  }
  if (!lua_isnil(L, 2) && lua_type(L, 2) != LUA_TSTRING) {
    return luaL_error(L, "the field 'host' of the address must be a string");
  }
  return push_host(L, scheme, 2, port);
}

/* address.format(host, port) or format{ scheme =, host =, port =, path = } -> text | nil, "EINVAL", detail */
static int l_format(lua_State *L) {
  if (lua_istable(L, 1)) {
    api_check_count(L, 1, NULL);
    return format_table(L);
  }
  api_check_count(L, 2, NULL);
  luaL_checktype(L, 1, LUA_TSTRING);
  return push_host(L, "", 1, luaL_checkinteger(L, 2));
}

static int refuse_ip(lua_State *L, int index) {
  luaL_pushfail(L);
  lua_pushliteral(L, "EINVAL");
  luaL_tolstring(L, index, NULL);
  lua_pushfstring(L, "\"%s\" is no address of IPv4 or IPv6 in numbers", lua_tostring(L, -1));
  lua_remove(L, -2);
  return 3;
}

/* address.pack(ip) -> 4 or 16 bytes | nil, "EINVAL", detail */
static int l_pack(lua_State *L) {
  struct ip ip;
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  api_check_count(L, 1, "a port is string.pack(\">I2\", port)");
  if (!ip_parse(text, size, &ip)) return refuse_ip(L, 1);
  lua_pushlstring(L, (const char *)ip.bytes, ip.size);
  return 1;
}

/* address.unpack(bytes) -> ip | nil, "EINVAL", detail */
static int l_unpack(lua_State *L) {
  struct ip ip = {0};
  char text[IP_TEXT_MAX];
  const char *bytes = luaL_checklstring(L, 1, &ip.size);
  api_check_count(L, 1, NULL);
  if (ip.size != 4 && ip.size != sizeof ip.bytes) {
    return address_refuse(L, "an address has 4 or 16 bytes");
  }
  memcpy(ip.bytes, bytes, ip.size);
  ip_format(&ip, text);
  lua_pushstring(L, text);
  return 1;
}

/* Raises: networks are written by the author. */
static void check_network(lua_State *L, int index, struct ip_network *out) {
  size_t size = 0;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : "";
  if (ip_network_parse(text, size, out)) return;
  luaL_error(L,
             "bad argument #2 to 'in_network' ('%s' is no network: write \"10.0.0.0/8\", or a "
             "list of such)",
             luaL_tolstring(L, index, NULL));
}

/* address.in_network(ip, network or list of them) -> boolean | nil, "EINVAL", detail */
static int l_in_network(lua_State *L) {
  struct ip ip;
  struct ip_network network;
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  api_check_count(L, 2, "write several networks as a list");
  bool is_list = lua_istable(L, 2), is_in = false;
  lua_Integer count = is_list ? (lua_Integer)lua_rawlen(L, 2) : 1;
  bool is_ip = ip_parse(text, size, &ip);
  for (lua_Integer i = 1; i <= count; i++) { /* all of them are looked at, whoever comes */
    if (is_list) {
      lua_rawgeti(L, 2, i);
    } else {
      lua_pushvalue(L, 2);
    }
    check_network(L, -1, &network);
    is_in = is_in || (is_ip && ip_is_in(&ip, &network));
    lua_pop(L, 1);
  }
  if (!is_ip) return refuse_ip(L, 1);
  lua_pushboolean(L, is_in);
  return 1;
}

const luaL_Reg api_address_functions[] = {
    {"parse", l_parse},   {"format", l_format},         {"pack", l_pack},
    {"unpack", l_unpack}, {"in_network", l_in_network}, {NULL, NULL},
};
