/* api/conn_forward.c — conn:forward, conn:join: bytes that go from one connection to another without Lua, and the
 * handlers that wait for that. Reads none of them. */
#include "api/arguments.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "net/loop.h"

#include <lauxlib.h>
#include <uv.h>

/* --- What both begin with ------------------------------------------------------------------ */

/* What a handler received but did not read goes ahead of what will be forwarded, `max` bytes of it: how many
 * they were, or -1. */
static int64_t send_leftover(struct api_conn *self, struct conn *to, uint64_t max) {
  const char *bytes;
  size_t size;
  if (!self->more->inbox || inbox_empty(self->more->inbox) || max == 0) return 0;
  if (!inbox_view(self->more->inbox, &bytes, &size)) return -1;
  if (size > max) size = (size_t)max;
  if (conn_send_begin(to) < 0 || conn_send_copied(to, bytes, size) < 0) return -1;
  if (api_is_told(self->runtime, EVENT_SEND)) conn_tell_send(to, size, "forward", NULL);
  inbox_consume(self->more->inbox, size);
  return (int64_t)size;
}

/* Raises where they cannot be forwarded; false: one of them is closing. */
static bool check_both(lua_State *L, const struct api_conn *self, const struct api_conn *other,
                       const char *name) {
  if (!self->conn || !other->conn || conn_is_closing(self->conn)) return false;
  const char *instead = "other:send_message(conn:recv_message())";
  api_check_carries_bytes(L, self, name, instead);
  api_check_carries_bytes(L, other, name, instead);
  if (api_is_read(self)) {
    luaL_error(L, "a coroutine reads from this connection");
  }
  return true;
}

/* What conn_forward() said: 0, or UV_EPIPE. Raises for what else it says. */
static int check_begun(lua_State *L, int rc) {
  if (rc == UV_EBUSY) luaL_error(L, "another connection is already forwarded to that one");
  if (rc == UV_ENOMEM) luaL_error(L, "not enough memory");
  return rc;
}

static int begin_all(lua_State *L, struct api_conn *self, struct api_conn *other) {
  int rc = check_begun(L, conn_forward(self->conn, other->conn));
  if (rc == 0) api_conn_update(self);
  return rc;
}

/* --- A part -------------------------------------------------------------------------------- */

static int push_failed(lua_State *L, const char *code, uint64_t passed) {
  luaL_pushfail(L);
  lua_pushstring(L, code);
  lua_pushinteger(L, (lua_Integer)passed);
  return 3;
}

/* `leftover` bytes went before those that the core has forwarded. */
static int await_part(lua_State *L, lua_KContext leftover);

static int part_woken(lua_State *L, int status, lua_KContext leftover) {
  (void)status;
  struct api_conn *self = api_check_conn(L, 1);
  if (!self->conn || conn_is_closing(self->conn)) {
    return push_failed(L, self->was_reset ? "reset" : "closed",
                       self->more->forwarded + (uint64_t)leftover);
  }
  const uint64_t passed = conn_forward_passed(self->conn) + (uint64_t)leftover;
  if (conn_is_forwarding(self->conn)) {
    if (!self->more->inbox->reader.timed_out) return await_part(L, leftover);
    conn_forward_stop(self->conn);
    api_conn_update(self);
    return push_failed(L, "timeout", passed);
  }
  if (conn_forward_left(self->conn) > 0) {
    return push_failed(L, conn_peer_finished(self->conn) ? "eof" : "EPIPE", passed);
  }
  return api_push_true(L);
}

static int await_part(lua_State *L, lua_KContext leftover) {
  struct api_conn *self = api_check_conn(L, 1);
  struct inbox *inbox = self->more->inbox;
  const uint64_t left_ms = inbox_left_ms(inbox, net_loop_now_ms(self->runtime->loop));
  api_wait_begin(L, &inbox->reader, left_ms, "a read from this connection");
  api_conn_update(self);
  return vm_wait(L, leftover, part_woken);
}

/* conn:forward(other, size) -> true | nil, code, how many bytes went */
static int forward_part(lua_State *L, struct api_conn *self, struct api_conn *other) {
  const lua_Integer size = luaL_checkinteger(L, 3);
  luaL_argcheck(L, size >= 0, 3, "must be 0 or more bytes");
  (void)vm_wait_ticket(L); /* raises where no wait is possible, also when none is needed */
  api_need_inbox(L, self);
  const int64_t sent = send_leftover(self, other->conn, (uint64_t)size);
  if (sent < 0) return push_failed(L, "EPIPE", 0);
  if (sent == size) {
    return api_push_true(L);
  }
  if (conn_peer_finished(self->conn)) return push_failed(L, "eof", (uint64_t)sent);
  int rc = conn_forward_part(self->conn, other->conn, (uint64_t)(size - sent));
  if (check_begun(L, rc) < 0) return push_failed(L, "EPIPE", (uint64_t)sent);
  self->more->inbox->ends_ms =
      inbox_call_ends_ms(self->more->inbox, net_loop_now_ms(self->runtime->loop));
  return await_part(L, (lua_KContext)sent);
}

/* conn:forward(other [, size]) -> true | nil, "closed" */
static int l_conn_forward(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  struct api_conn *other = api_check_conn(L, 2);
  api_check_count(L, 3, NULL);
  if (!check_both(L, self, other, "forward")) return api_push_closed(L);
  if (api_is_told(self->runtime, EVENT_CALL)) api_tell_call(L, self->conn, "forward");
  if (!lua_isnoneornil(L, 3)) return forward_part(L, self, other);
  if (send_leftover(self, other->conn, UINT64_MAX) < 0) return api_push_closed(L);
  if (begin_all(L, self, other) < 0) return api_push_closed(L);
  return api_push_true(L);
}

/* --- Both ways ----------------------------------------------------------------------------- */

/* Waits for the end of the connection at `index`, and then of the other. At 3 and 4: how many bytes went ahead
 * of what the core forwards. */
static int await_end(lua_State *L, int status, lua_KContext index) {
  (void)status;
  struct api_conn *self = api_check_conn(L, (int)index);
  if (self->conn && self->more->inbox) {
    if (self->more->inbox->reader.timed_out) conn_close(self->conn, REASON_IDLE);
    api_wait_begin(L, &self->more->inbox->reader, 0, "a read from this connection");
    api_conn_update(self);
    return vm_wait(L, index, await_end);
  }
  if (index == 1) return await_end(L, LUA_OK, 2);
  for (int i = 1; i <= 2; i++) {
    const struct api_conn *ended = api_check_conn(L, i);
    lua_pushinteger(L, lua_tointeger(L, i + 2) + (lua_Integer)ended->more->forwarded);
  }
  return 2;
}

static int64_t join_one_way(lua_State *L, struct api_conn *from, struct api_conn *to) {
  api_need_inbox(L, from);
  from->more->inbox->reader.timed_out = false;
  return send_leftover(from, to->conn, UINT64_MAX);
}

/* conn:join(other) -> bytes that went there, bytes that came back | nil, "closed" */
static int l_conn_join(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  struct api_conn *other = api_check_conn(L, 2);
  api_check_count(L, 2, NULL);
  luaL_argcheck(L, self != other, 2, "is the connection itself");
  lua_settop(L, 2);
  if (!check_both(L, self, other, "join") || !check_both(L, other, self, "join")) {
    return api_push_closed(L);
  }
  (void)vm_wait_ticket(L);
  if (api_is_told(self->runtime, EVENT_CALL)) api_tell_call(L, self->conn, "join");
  lua_pushinteger(L, join_one_way(L, self, other));
  lua_pushinteger(L, join_one_way(L, other, self));
  if (lua_tointeger(L, 3) < 0 || lua_tointeger(L, 4) < 0) return api_push_closed(L);
  if (begin_all(L, self, other) < 0 || begin_all(L, other, self) < 0) return api_push_closed(L);
  return await_end(L, LUA_OK, 1);
}

const luaL_Reg api_forward_methods[] = {
    {"forward", l_conn_forward}, {"join", l_conn_join}, {NULL, NULL}};
