/* api/conn.c — the Lua object of a connection: made, found, let go. Events are in conn_events.c.
 *
 * The userdata holds one pointer to the connection, cleared when that closes, before its memory
 * goes. A registry reference keeps the object alive from its first handler until on_close has run;
 * then what it owns is freed, so it needs no finalizer: those are dear at ten thousand a second. */
#include "api/conn.h"

#include "api/arguments.h"
#include "api/http.h"
#include "api/inbox.h"
#include "api/membership.h"
#include "api/runtime.h"
#include "api/websocket.h"
#include "net/conn_tls.h"
#include "net/loop.h"

#include <assert.h>
#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char type_name[] = "moonport.conn";
/* The size of the userdata: odd, as that of no other object, whose first pointer may be the same. */
enum { OBJECT_BYTES = offsetof(struct api_conn, unused) };
static_assert(OBJECT_BYTES % 2 == 1, "its size tells a connection from other objects");
/* Registry key of the metatable: quicker than its name. */
static const char metatable_key = 0;
/* The same of connections that a script has for its own. */
static const char own_metatable_key = 0;
/* Registry key of those connections' objects by their address, weak: see api_hold_conn(). */
static const char own_conns_key = 0;

struct api_conn *api_make_conn(lua_State *L, struct runtime *runtime, struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (self) return self;
  struct conn_group *group = conn_group_of(conn);
  self = lua_newuserdatauv(L, OBJECT_BYTES, 1); /* its value: the script's own fields */
  memset(self, 0, OBJECT_BYTES);
  self->runtime = runtime;
  self->more = (struct conn_more *)&api_nothing_more;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_setmetatable(L, -2);
  self->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  self->id = conn_id(conn) & CONN_ID_MAX;
  const struct cohort *cohort = self->cohort = group == &runtime->sequential ? NULL : group->owner;
  self->has_requests = api_requests_of(self) != NULL;
  if (self->has_requests && !api_need_more(self)) {
    luaL_unref(L, LUA_REGISTRYINDEX, self->reference);
    luaL_error(L, "not enough memory");
  }
  self->conn = conn;
  if (cohort && self->id <= cohort->adopted_id_max && self->id > cohort->converted_id_max) {
    self->pending = PENDING_RELOAD;
  }
  conn_set_owner(conn, self);
  return self;
}

struct making {
  struct runtime *runtime;
  struct conn *conn;
};

static int make(lua_State *L) {
  const struct making *making = lua_touserdata(L, 1);
  api_make_conn(L, making->runtime, making->conn);
  return 0;
}

struct api_conn *api_conn_of(struct runtime *runtime, struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (self) return self;
  struct making making = {.runtime = runtime, .conn = conn};
  char error[100];
  if (!vm_protect(runtime->vm, make, &making, error, sizeof error)) {
    const struct vm_failure failure = {.message = error, .message_size = strlen(error)};
    runtime_log_failure(runtime, conn_id(conn), &failure);
    conn_close(conn, REASON_ERROR);
  }
  return conn_owner(conn);
}

void api_push_conn(lua_State *L, const struct api_conn *self) {
  if (self->reference != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, self->reference);
    return;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_conns_key);
  lua_rawgetp(L, -1, self);
  lua_remove(L, -2);
}

void api_give_conn(lua_State *L, struct runtime *runtime, struct conn *conn) {
  struct api_conn *self = api_make_conn(L, runtime, conn);
  api_push_conn(L, self);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_conns_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, self);
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_metatable_key);
  lua_setmetatable(L, -2);
  luaL_unref(L, LUA_REGISTRYINDEX, self->reference);
  self->reference = LUA_NOREF;
}

void api_close_unless_given(struct conn *conn) {
  const struct api_conn *self = conn_owner(conn);
  if (!self || self->reference == LUA_NOREF) return;
  conn_close(conn, REASON_CLOSED);
  net_loop_flush(self->runtime->loop); /* the task that should have had it has ended, and flushed */
}

int api_hold_conn(const struct api_conn *self) {
  lua_State *L = vm_state(self->runtime->vm);
  int held = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_conns_key);
  lua_rawgetp(L, -1, self); /* nil while it is not the script's own yet, or is collected already */
  return held;
}

void api_let_go_conn(struct runtime *runtime, int held) {
  lua_settop(vm_state(runtime->vm), held);
}

/* Frees what the object owns; only its id is known from then on. One that is the script's own may be asked,
 * until it is collected, how its WebSocket and its forward ended. */
static void forget(struct api_conn *self, bool may_be_asked) {
  struct conn_more *more = self->more;
  if (more == &api_nothing_more) return;
  inbox_free(more->inbox);
  more->inbox = NULL;
  api_http_forget(self);
  if (more->past) free(more->past->tls_fault);
  free(more->past);
  more->past = NULL;
  if (may_be_asked) return;
  self->more = (struct conn_more *)&api_nothing_more;
  free(more);
}

/* Nobody can use it any more. What it forwards goes on until it ends by itself. */
static int l_collected(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  struct conn *conn = self->conn;
  if (self->more->inbox) {
    api_wait_forget(&self->more->inbox->reader);
    api_wait_forget(&self->more->inbox->drainer);
  }
  if (conn && self->more->websocket) conn_close(conn, REASON_CLOSED); /* while it can say so */
  api_membership_end_all(self);
  self->conn = NULL;
  api_websocket_free(self);
  forget(self, false);
  if (!conn) return 0;
  conn_abandon(conn);
  if (vm_is_freeing_descriptors(vm_of(L))) conn_skip_linger(conn);
  return 0;
}

struct api_conn *api_check_conn(lua_State *L, int index) {
  return api_check_known(L, index, type_name, OBJECT_BYTES, runtime_of(L));
}

void api_conn_remember(struct api_conn *self, enum reason reason) {
  const struct conn *conn = self->conn;
  struct conn_past *past = api_need_more(self) ? calloc(1, sizeof *past) : NULL;
  struct conn_tls tls;
  if (!past) return;
  self->more->past = past;
  if (conn_tls(conn, &tls)) {
    past->tls_fault = tls.fault ? strdup(tls.fault) : NULL;
    past->met_plaintext = tls.met_plaintext;
  }
  past->reason = reason;
  past->listener_index = conn_listener_index(conn);
  conn_counters(conn, &past->counters);
  const struct sockaddr *peer = conn_peer(conn, &past->peer_size);
  memcpy(&past->peer, peer, past->peer_size);
}

void api_conn_release(struct runtime *runtime, struct api_conn *self) {
  bool is_own = self->reference == LUA_NOREF;
  if (!is_own) api_websocket_free(self); /* else when it is collected */
  luaL_unref(vm_state(runtime->vm), LUA_REGISTRYINDEX, self->reference);
  self->reference = LUA_NOREF;
  runtime->has_let_go = true;
  forget(self, is_own);
  if (!self->cohort) return;
  self->cohort->closing--;
  self->cohort = NULL;
  versions_changed(runtime);
}

static void make_own_conns(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &own_conns_key);
}

/* A copy of the metatable at the top, with a finalizer. */
static void make_own_metatable(lua_State *L) {
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, -3)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_pushcfunction(L, l_collected);
  lua_setfield(L, -2, "__gc");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &own_metatable_key);
}

void api_push_conn_names(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_getfield(L, -1, "__index");
  lua_getupvalue(L, -1, 1);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void api_set_conn_metatable(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
  make_own_metatable(L);
  make_own_conns(L);
}
