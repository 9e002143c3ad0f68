/* api/server.c — moonport.server: this script's connections, all at once. */
#include "api/arguments.h"
#include "api/conn.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/values.h"
#include "base/blob.h"

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

struct broadcast {
  lua_State *L;
  struct blob *blob;
  size_t size;
  const struct conn *except;
  lua_Integer receivers;
};

static void send_to(struct conn *conn, void *context) {
  struct broadcast *broadcast = context;
  if (conn == broadcast->except || !conn_has_opened(conn)) return;
  if (conn_send_begin(conn) < 0) return;
  if (conn_send_shared(conn, broadcast->blob, broadcast->size) < 0) return;
  broadcast->receivers++;
  lua_State *L = broadcast->L;
  if (api_is_told(runtime_of(L), EVENT_SEND)) api_tell_send(L, conn, broadcast->size);
}

/* Replaces a list of strings at `index` by one string. Raises. */
static void join_list(lua_State *L, int index) {
  luaL_Buffer joined;
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  api_check_list(L, index, "broadcast");
  luaL_buffinit(L, &joined);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, index, i);
    luaL_addvalue(&joined);
  }
  luaL_pushresult(&joined);
  lua_replace(L, index);
}

/* server.broadcast(data [, except]) -> number of connections it was queued for */
static int l_broadcast(lua_State *L) {
  struct broadcast broadcast = {.L = L};
  api_check_count(L, 2, "only one connection can be left out");
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) broadcast.except = api_check_conn(L, 2)->conn;
  if (lua_istable(L, 1)) join_list(L, 1);
  const char *data = luaL_checklstring(L, 1, &broadcast.size);
  /* One copy, however many receive it; nothing raises while it is held here. */
  broadcast.blob = blob_new(broadcast.size);
  if (!broadcast.blob) return luaL_error(L, "not enough memory");
  memcpy(broadcast.blob->bytes, data, broadcast.size);
  runtime_conn_each(runtime_of(L), send_to, &broadcast);
  blob_unref(broadcast.blob);
  lua_pushinteger(L, broadcast.receivers);
  return 1;
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

const luaL_Reg api_server_functions[] = {
    {"connections", api_connections}, {"broadcast", l_broadcast}, {"stats", l_stats}, {NULL, NULL}};
