/* api/conn.c — the Lua object of a connection: made, found, let go. Events are in conn_events.c.
 *
 * The userdata holds one pointer to the connection, cleared when that closes, before its memory
 * goes. A registry reference keeps the object alive from its first handler until on_close has run. */
#include "api/conn.h"

#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const char type_name[] = "moonport.conn";

struct api_conn *api_make_conn(lua_State *L, struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (self) return self;
  self = lua_newuserdatauv(L, sizeof *self, 1); /* its value: the script's own fields */
  *self = (struct api_conn){.runtime = runtime_of(L), .reference = LUA_NOREF};
  luaL_setmetatable(L, type_name);
  self->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  self->conn = conn;
  conn_set_owner(conn, self);
  return self;
}

static int make(lua_State *L) {
  api_make_conn(L, lua_touserdata(L, 1));
  return 0;
}

struct api_conn *api_conn_of(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (self) return self;
  struct runtime *runtime = conn_group_of(conn)->owner;
  char error[100];
  if (!vm_protect(runtime->vm, make, conn, error, sizeof error)) {
    const struct vm_failure failure = {.message = error, .message_size = strlen(error)};
    runtime_log_failure(runtime, conn_id(conn), &failure);
    conn_close(conn, REASON_ERROR);
  }
  return conn_owner(conn);
}

void api_push_conn(lua_State *L, const struct api_conn *self) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, self->reference);
}

struct api_conn *api_check_conn(lua_State *L, int index) {
  return luaL_checkudata(L, index, type_name);
}

uint64_t api_conn_id(const struct api_conn *self) {
  if (self->conn) return conn_id(self->conn);
  return self->past ? self->past->id : 0;
}

void api_conn_update_hold(struct api_conn *self) {
  if (!self->conn) return;
  bool reads = self->inbox && self->inbox->reader.task;
  conn_hold(self->conn, CONN_HOLD_HANDLER, self->busy && !reads);
}

static int l_gc(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  inbox_free(self->inbox);
  self->inbox = NULL;
  free(self->past);
  self->past = NULL;
  return 0;
}

void api_open_conn(lua_State *L) {
  luaL_newmetatable(L, type_name); /* sets __name */
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "moonport.conn"); /* what getmetatable() gives a script */
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  api_set_conn_methods(L);
  api_set_conn_recv(L);
  api_set_conn_fields(L);
  lua_pop(L, 2);
}
