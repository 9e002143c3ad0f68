/* api/option.c — setoption(name, value), getoption(name) of any socket. */
#include "api/option.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "net/option.h"

#include <lauxlib.h>
#include <string.h>

static const struct net_option *check_option(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  const struct net_option *option = net_option_find(name);
  if (option) return option;
  luaL_Buffer known;
  luaL_buffinit(L, &known);
  for (const struct net_option *each = net_options; each->name; each++) {
    luaL_addstring(&known, each == net_options ? "" : ", ");
    luaL_addstring(&known, each->name);
  }
  luaL_pushresult(&known);
  luaL_error(L, "unknown socket option '%s' (known: %s, join, leave)", name, lua_tostring(L, -1));
  return NULL;
}

/* Why a service may not set an option to the value at 3, or NULL. What is closed is the core's affair,
 * and the kernel's own lingering would hold up every script. A program has nobody but itself. */
static const char *refusal(lua_State *L, const struct net_option *option) {
  bool is_off = lua_isboolean(L, 3) && !lua_toboolean(L, 3);
  if (option->kind != NET_OPTION_SECONDS || is_off || runtime_of(L)->is_program) return NULL;
  return "socket option 'linger' is refused: closing would stop every script for so long, or with "
         "0 "
         "lose what was sent; close() lingers by itself (timeouts.linger), conn:reset() sends RST";
}

/* refused_option(name, value) -> why a script may not set it, or nil */
static int l_refused_option(lua_State *L) {
  lua_settop(L, 2);
  lua_pushnil(L); /* in place of a socket, so that they are where setoption() has them */
  lua_insert(L, 1);
  const struct net_option *option = net_option_find(luaL_checkstring(L, 2));
  lua_pushstring(L, option ? refusal(L, option) : NULL); /* nil for NULL */
  return 1;
}

static int check_value(lua_State *L, const struct net_option *option) {
  if (option->kind == NET_OPTION_SWITCH) {
    luaL_checktype(L, 3, LUA_TBOOLEAN);
    return lua_toboolean(L, 3);
  }
  if (option->kind == NET_OPTION_SECONDS && lua_isboolean(L, 3) && !lua_toboolean(L, 3)) return -1;
  lua_Integer value = luaL_checkinteger(L, 3);
  luaL_argcheck(L, value >= 0 && value <= 0x7FFFFFFF, 3, "out of range");
  return (int)value;
}

static int option_finish(lua_State *L, int rc) {
  if (rc < 0) return api_push_error(L, rc, lua_tostring(L, 2));
  lua_pushboolean(L, 1);
  return 1;
}

/* Registry key of what was set on sockets of a network in memory, which have no descriptor: by object,
 * weak, and by name. */
static const char kept_key = 0;

/* Pushes the table of the object at 1. */
static void push_kept(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
  }
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

static int set(lua_State *L, int fd, const struct net_option *option, int value) {
  if (fd >= 0) return net_option_set(fd, option, value);
  push_kept(L);
  lua_pushinteger(L, value);
  lua_setfield(L, -2, option->name);
  lua_pop(L, 1);
  return 0;
}

static int get(lua_State *L, int fd, const struct net_option *option, int *value) {
  if (fd >= 0) return net_option_get(fd, option, value);
  push_kept(L);
  bool is_set = lua_getfield(L, -1, option->name) != LUA_TNIL;
  *value = is_set ? (int)lua_tointeger(L, -1) : option->usual;
  lua_pop(L, 2);
  return 0;
}

int api_setoption(lua_State *L, int fd) {
  api_check_count(L, 3, NULL);
  const char *name = luaL_checkstring(L, 2);
  bool join = strcmp(name, "join") == 0;
  if (join || strcmp(name, "leave") == 0) {
    const char *group = luaL_checkstring(L, 3);
    if (fd < 0) return option_finish(L, 0); /* datagrams in memory go to their addresses */
    return option_finish(L, net_option_membership(fd, group, join));
  }
  const struct net_option *option = check_option(L);
  const char *refused = refusal(L, option);
  if (refused) return luaL_error(L, "%s", refused);
  return option_finish(L, set(L, fd, option, check_value(L, option)));
}

int api_getoption(lua_State *L, int fd) {
  api_check_count(L, 2, NULL);
  const struct net_option *option = check_option(L);
  int value = 0;
  int rc = get(L, fd, option, &value);
  if (rc < 0) return api_push_error(L, rc, option->name);
  if (option->kind == NET_OPTION_SWITCH || value < 0) {
    lua_pushboolean(L, value > 0);
  } else {
    lua_pushinteger(L, value);
  }
  return 1;
}

const luaL_Reg api_option_functions[] = {{"refused_option", l_refused_option}, {NULL, NULL}};
