/* api/option.c — setoption(name, value), getoption(name) of any socket. */
#include "api/option.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "net/option.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>

/* Pushes what is said of a name that is no option's. */
static void push_unknown(lua_State *L, const char *name) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  luaL_addstring(&text, "unknown socket option '");
  luaL_addstring(&text, name);
  luaL_addstring(&text, "' (known: ");
  for (const struct net_option *each = net_options; each->name; each++) {
    luaL_addstring(&text, each->name);
    luaL_addstring(&text, ", ");
  }
  luaL_addstring(&text, "join, leave)");
  luaL_pushresult(&text);
}

static const struct net_option *check_option(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  const struct net_option *option = net_option_find(name);
  if (option) return option;
  push_unknown(L, name);
  luaL_error(L, "%s", lua_tostring(L, -1));
  return NULL;
}

/* Why a service may not set an option to the value at `index`, or NULL. What is closed is the core's
 * affair, and the kernel's own lingering would hold up every script. A program has nobody but itself. */
static const char *refusal(lua_State *L, const struct net_option *option, int index) {
  bool is_off = lua_isboolean(L, index) && !lua_toboolean(L, index);
  if (option->kind != NET_OPTION_SECONDS || is_off || runtime_of(L)->is_program) return NULL;
  return "socket option 'linger' is refused: closing would stop every script for so long, or with "
         "0 lose what was sent; close() lingers by itself (timeouts.linger), conn:reset() sends "
         "RST";
}

/* Pushes "boolean expected, got number". */
static const char *wrong_type(lua_State *L, int index, const char *expected) {
  const char *given = lua_isnoneornil(L, index) ? "no value" : luaL_typename(L, index);
  return lua_pushfstring(L, "%s expected, got %s", expected, given);
}

/* NULL, and *value is what the option takes; or why that at `index` is none for it. false is for
 * `linger` only. */
static const char *read_value(lua_State *L, const struct net_option *option, int index,
                              int *value) {
  bool is_switch = lua_isboolean(L, index), on = lua_toboolean(L, index);
  int is_integer = 0;
  lua_Integer number = lua_tointegerx(L, index, &is_integer);
  *value = option->kind == NET_OPTION_SWITCH ? on : -1;
  if (option->kind == NET_OPTION_SWITCH) return is_switch ? NULL : wrong_type(L, index, "boolean");
  if (option->kind == NET_OPTION_SECONDS && is_switch && !on) return NULL;
  if (lua_type(L, index) != LUA_TNUMBER) return wrong_type(L, index, "number");
  if (!is_integer || number < 0 || number > INT_MAX) return "a whole number of 0 or more expected";
  *value = (int)number;
  return NULL;
}

static bool is_membership(const char *name) {
  return strcmp(name, "join") == 0 || strcmp(name, "leave") == 0;
}

/* option_fault(name, value) -> what is wrong with setting it, or nil: asked before there is a socket */
static int l_option_fault(lua_State *L) {
  int value;
  lua_settop(L, 2);
  if (lua_type(L, 1) != LUA_TSTRING) {
    lua_pushfstring(L, "bad argument #1 to 'setoption' (%s)", wrong_type(L, 1, "string"));
    return 1;
  }
  const char *name = lua_tostring(L, 1), *fault = NULL;
  const struct net_option *option = net_option_find(name);
  if (!option && !is_membership(name)) {
    push_unknown(L, name);
    return 1;
  }
  const char *refused = option ? refusal(L, option, 2) : NULL;
  if (option) {
    fault = read_value(L, option, 2, &value);
  } else if (lua_type(L, 2) != LUA_TSTRING) {
    fault = wrong_type(L, 2, "string");
  }
  lua_pushstring(L, refused); /* nil for NULL */
  if (fault && !refused) lua_pushfstring(L, "bad argument #2 to 'setoption' (%s)", fault);
  return 1;
}

static int check_value(lua_State *L, const struct net_option *option) {
  int value;
  const char *fault = read_value(L, option, 3, &value);
  if (fault) luaL_argerror(L, 3, fault);
  return value;
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
  if (is_membership(name)) {
    bool join = strcmp(name, "join") == 0;
    const char *group = api_check_text(L, 3);
    if (fd < 0) return option_finish(L, 0); /* datagrams in memory go to their addresses */
    return option_finish(L, net_option_membership(fd, group, join));
  }
  const struct net_option *option = check_option(L);
  const char *refused = refusal(L, option, 3);
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

const luaL_Reg api_option_functions[] = {{"option_fault", l_option_fault}, {NULL, NULL}};
