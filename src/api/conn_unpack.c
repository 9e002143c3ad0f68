/* api/conn_unpack.c — conn:unpack, peek, skip: bytes that are looked at, or not even that. How a call waits
 * for them is in conn_recv.c. */
#include "api/arguments.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* Calls string.unpack() with the format and what is on top, which stays. */
static int push_unpacked(lua_State *L) {
  int bytes = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_STRLIBNAME);
  lua_getfield(L, -1, "unpack");
  lua_replace(L, -3);
  lua_pop(L, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, bytes);
  lua_call(L, 2, LUA_MULTRET);
  lua_pop(L, 1); /* where it ended */
  if (lua_gettop(L) == bytes) lua_pushboolean(L, true);
  return lua_gettop(L) - bytes;
}

static int take_unpacked(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  size_t max = version_of(L)->service.message_bytes_max;
  enum pack_result result = pack_go_on(&inbox->walk, lua_tostring(L, 2), bytes, size, max);
  if (result == PACK_MORE) return 0;
  if (result == PACK_TOO_LONG) {
    luaL_pushfail(L);
    lua_pushliteral(L, "limit");
    return 2;
  }
  lua_pushlstring(L, bytes, inbox->walk.at);
  inbox_consume(inbox, inbox->walk.at);
  return push_unpacked(L);
}

static int take_nothing(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  (void)inbox;
  size_t wanted = (size_t)lua_tointeger(L, 2);
  if (size < wanted) return 0;
  lua_pushlstring(L, bytes, wanted);
  return 1;
}

/* The argument becomes what is left. */
static int take_away(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  (void)bytes;
  lua_Integer left = lua_tointeger(L, 2);
  size_t now = (lua_Integer)size < left ? size : (size_t)left;
  inbox_consume(inbox, now);
  lua_pushinteger(L, left - (lua_Integer)now);
  lua_replace(L, 2);
  if (left > (lua_Integer)now) return 0;
  return api_push_true(L);
}

static const struct recv_kind kind_unpack = {.name = "unpack", .take = take_unpacked, .below = 1};
static const struct recv_kind kind_peek = {.name = "peek", .take = take_nothing, .leaves = true};
static const struct recv_kind kind_skip = {.name = "skip", .take = take_away, .leaves = true};

/* conn:unpack(format) -> values… | nil, code [, partial] */
static int l_unpack(lua_State *L) {
  size_t size, least;
  const char *format = luaL_checklstring(L, 2, &size);
  api_check_count(L, 2, NULL);
  const char *fault = pack_check(format, &least);
  if (!fault && strlen(format) != size) fault = "it has a zero byte";
  if (!fault && least > version_of(L)->service.message_bytes_max) {
    fault = "it takes more than limits.message";
  }
  if (fault) return luaL_argerror(L, 2, fault);
  lua_settop(L, 2);
  return api_receive_bytes(L, &kind_unpack);
}

/* conn:peek(n) -> string of n bytes, which stay | nil, code [, partial] */
static int l_peek(lua_State *L) {
  api_check_count(L, 2, NULL);
  api_check_size(L, 2);
  return api_receive_bytes(L, &kind_peek);
}

/* conn:skip(n) -> true | nil, code */
static int l_skip(lua_State *L) {
  api_check_count(L, 2, NULL);
  luaL_argcheck(L, luaL_checkinteger(L, 2) >= 0, 2, "must be 0 or more bytes");
  lua_settop(L, 2);
  return api_receive_bytes(L, &kind_skip);
}

const luaL_Reg api_unpack_methods[] = {
    {"unpack", l_unpack}, {"peek", l_peek}, {"skip", l_skip}, {NULL, NULL}};
