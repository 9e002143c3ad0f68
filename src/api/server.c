/* api/server.c — moonport.server: this script's connections, all at once. */
#include "api/arguments.h"
#include "api/broadcast.h"
#include "api/conn.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/values.h"

#include <lauxlib.h>
#include <string.h>

static void append_conn(struct conn *conn, void *context) {
  lua_State *L = context;
  if (conn_is_closing(conn) || !conn_has_opened(conn)) return;
  lua_Integer index = (lua_Integer)lua_rawlen(L, 1) + 1;
  api_push_conn(L, api_make_conn(L, runtime_of(L), conn));
  lua_rawseti(L, 1, index);
}

/* server.connections() -> list of the open connections, oldest first */
int api_connections(lua_State *L) {
  struct runtime *runtime = runtime_of(L);
  api_check_count(L, 0, NULL);
  lua_settop(L, 0);
  lua_createtable(L, (int)runtime_conn_count(runtime), 0);
  runtime_conn_each(runtime, append_conn, L);
  return 1;
}

static int refuse_audience(lua_State *L, int index, const char *why) {
  return luaL_error(L, "bad argument #%d to '%s' (%s: write { to = list, except = conn })", index,
                    index == 2 ? "broadcast" : "broadcast_message", why);
}

/* Whom the argument means: nobody is left out, a connection is, or a table says it. Raises. */
static void check_audience(lua_State *L, int index, struct audience *out) {
  if (lua_isnoneornil(L, index)) return;
  if (!lua_istable(L, index)) {
    out->except = api_check_conn(L, index)->conn;
    return;
  }
  /* A list here may mean those who get it as well as those who do not. */
  if (lua_rawlen(L, index) > 0) refuse_audience(L, index, "a list does not say who is meant");
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "to") == 0 && lua_istable(L, -1)) continue;
    if (strcmp(name, "except") == 0) {
      out->except = api_check_conn(L, -1)->conn;
      continue;
    }
    refuse_audience(L, index, "these options it does not have");
  }
  if (lua_getfield(L, index, "to") == LUA_TTABLE) out->list = lua_gettop(L);
}

/* server.broadcast(data [, except or { to =, except = }]) -> number of connections it was queued for */
static int l_broadcast(lua_State *L) {
  struct audience audience = {0};
  api_check_count(L, 2, "only one connection can be left out");
  lua_settop(L, 2);
  check_audience(L, 2, &audience);
  return api_broadcast(L, &audience, 1);
}

/* server.broadcast_message(message [, kind] [, except or { to =, except = }]) -> the same number */
static int l_broadcast_message(lua_State *L) {
  struct audience audience = {0};
  api_check_count(L, 3, NULL);
  bool has_kind = lua_type(L, 2) == LUA_TSTRING || lua_isnoneornil(L, 2);
  lua_settop(L, 3);
  if (!has_kind) {
    luaL_argcheck(L, lua_isnil(L, 3), 3, "the kind comes before who is meant");
    lua_insert(L, 2);
  }
  check_audience(L, 3, &audience);
  return api_broadcast_message(L, &audience, 1, 2);
}

/* server.stats() -> table */
static int l_stats(lua_State *L) {
  api_check_count(L, 0, NULL);
  const struct runtime *runtime = runtime_of(L);
  lua_newtable(L);
  const struct conn_totals totals = runtime_totals(runtime);
  api_set_integer(L, "connections", totals.open);
  api_set_integer(L, "accepted", totals.accepted);
  api_set_integer(L, "failed_handshakes", runtime->failed_handshakes);
  api_set_integer(L, "bytes_in", totals.bytes_in);
  api_set_integer(L, "bytes_out", totals.bytes_out);
  api_set_integer(L, "version", version_of(L)->number);
  api_set_integer(L, "memory", vm_memory_bytes(runtime->vm));
  lua_pushboolean(L, runtime->draining);
  lua_setfield(L, -2, "draining");
  return 1;
}

const luaL_Reg api_server_functions[] = {{"connections", api_connections},
                                         {"broadcast", l_broadcast},
                                         {"broadcast_message", l_broadcast_message},
                                         {"stats", l_stats},
                                         {NULL, NULL}};
