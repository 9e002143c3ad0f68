/* api/conn_methods.c — conn:send, send_message, drain, pause, resume, close, shutdown, reset, stats. */
#include "api/conn.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/frame.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/option.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/values.h"
#include "api/websocket.h"
#include "base/platform.h"
#include "net/loop.h"

#include <lauxlib.h>
#include <uv.h>

enum {
  /* To a peer that keeps up drain() never waits: now and then it lets the others have a turn. */
  DRAINS_PER_TURN = 64,
};

int api_send_piece(lua_State *L, const struct api_conn *self, int index) {
  size_t size;
  const char *bytes = lua_tolstring(L, index, &size);
  if (size < SEND_BORROWED_BYTES_MIN) return conn_send_copied(self->conn, bytes, size);
  runtime_anchor(L, self->runtime, index);
  return conn_send_borrowed(self->conn, bytes, size);
}

int api_send_pieces(lua_State *L, const struct api_conn *self, int list) {
  lua_Integer length = (lua_Integer)lua_rawlen(L, list);
  int rc = 0;
  for (lua_Integer i = 1; rc == 0 && i <= length; i++) {
    lua_rawgeti(L, list, i);
    rc = api_send_piece(L, self, list + 1);
    lua_settop(L, list);
  }
  return rc;
}

/* A list is one message: it is checked whole before its first string is queued. */
static int send_list(lua_State *L, const struct api_conn *self) {
  api_check_list(L, 2, "send");
  int rc = conn_send_begin(self->conn);
  return rc < 0 ? rc : api_send_pieces(L, self, 2);
}

static int send_string(lua_State *L, const struct api_conn *self) {
  int rc = conn_send_begin(self->conn);
  return rc < 0 ? rc : api_send_piece(L, self, 2);
}

/* What was sent, in bytes: a string, or the strings of a list. */
static size_t message_size(lua_State *L) {
  return lua_istable(L, 2) ? api_list_size(L, 2) : (size_t)lua_rawlen(L, 2);
}

/* Not inlined: it would push what is for everybody out of l_conn_send(). */
__attribute__((noinline)) static void tell_send(lua_State *L, struct conn *conn) {
  api_tell_send(L, conn, message_size(L));
}

/* The call of a method that changes the connection. */
static void tell_call(lua_State *L, const struct api_conn *self, const char *name) {
  if (api_is_told(self->runtime, EVENT_CALL)) api_tell_call(L, self->conn, name);
}

/* Raises unless what comes behind the one value is nil. LuaSocket's send(data, i, j) looks like a call
 * that has a second result, such as gsub(). */
static void check_one_value(lua_State *L) {
  bool is_part = lua_type(L, 2) == LUA_TSTRING && lua_type(L, 3) == LUA_TNUMBER;
  api_check_count(L, 2,
                  is_part
                      ? "a part of s is conn:send(s:sub(i, j)), and of a call with two results, "
                        "such as gsub, write conn:send((s:gsub(…)))"
                      : "write conn:send(a .. b), or conn:send({ a, b })");
  lua_settop(L, 2);
}

/* Bytes between two answers would be taken for one. */
static int refuse_bytes(lua_State *L, const char *name) {
  return luaL_error(
      L,
      "%s() sends bytes, and this connection has answers: return one from on_request, "
      "or call conn:respond{ status = 200, body = … }",
      name);
}

void api_check_carries_bytes(lua_State *L, const struct api_conn *self, const char *name,
                             const char *instead) {
  if (self->more->websocket) api_refuse_bytes(L, name, instead);
  if (!self->has_requests) return;
  luaL_error(
      L,
      "%s: this connection has requests and answers, among which bytes would be taken for one: "
      "write return { status = 200, body = function(write) … end }",
      name);
}

/* conn:send(data) -> true | nil, "closed" */
static int l_conn_send(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  if (self->has_requests) return refuse_bytes(L, "send");
  int type = lua_type(L, 2);
  if (lua_gettop(L) > 2) check_one_value(L);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TTABLE) {
    return luaL_typeerror(L, 2, "string or list of strings");
  }
  if (!self->conn) return api_push_closed(L);
  if (self->more->websocket) return api_refuse_bytes(L, "send", "conn:send_message(message)");
  int rc = type == LUA_TTABLE ? send_list(L, self) : send_string(L, self);
  if (rc < 0) return api_push_closed(L);
  if (api_is_told(self->runtime, EVENT_SEND)) tell_send(L, self->conn);
  return api_push_true(L);
}

/* conn:send_message(message [, frame [, prefix]]) -> true | nil, "closed" */
static int l_conn_send_message(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  if (self->has_requests) return refuse_bytes(L, "send_message");
  if (self->is_websocket) return api_websocket_send_message(L, self);
  api_check_count(L, 4, NULL);
  size_t size, prefix_size = 0;
  const char *message = luaL_checklstring(L, 2, &size);
  const char *prefix = lua_isnoneornil(L, 4) ? "" : luaL_checklstring(L, 4, &prefix_size);
  struct frame_format given;
  struct frame_wrapping wrapping;
  const struct frame_format *format = api_check_frame(L, 3, &given);
  const char *fault = frame_wrap(format, prefix, prefix_size, message, size, &wrapping);
  if (fault) return luaL_error(L, "the message %s", fault);
  if (!self->conn || conn_send_begin(self->conn) < 0 ||
      conn_send_copied(self->conn, wrapping.header, wrapping.header_size) < 0 ||
      conn_send_copied(self->conn, message, size) < 0 ||
      conn_send_copied(self->conn, wrapping.trailer, wrapping.trailer_size) < 0) {
    return api_push_closed(L);
  }
  if (api_is_told(self->runtime, EVENT_SEND)) {
    api_tell_send(L, self->conn, wrapping.header_size + size + wrapping.trailer_size);
  }
  return api_push_true(L);
}

static int drained(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct api_conn *self = api_check_conn(L, 1);
  if (!self->conn || !self->more->inbox || conn_is_closing(self->conn)) return api_push_closed(L);
  return self->more->inbox->drainer.timed_out ? api_push_timeout(L, NULL) : api_push_true(L);
}

int api_drain(lua_State *L, struct api_conn *self) {
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  api_need_inbox(L, self);
  (void)vm_wait_ticket(L); /* raises where no wait is possible, also when none is needed */
  self->more->inbox->drainer.timed_out = false;
  bool full = conn_await_drain(self->conn);
  if (!full && ++self->more->inbox->drains % DRAINS_PER_TURN) return drained(L, LUA_OK, 0);
  uint64_t now_ms = net_loop_now_ms(self->runtime->loop);
  uint64_t ends_ms = inbox_call_ends_ms(self->more->inbox, now_ms);
  if (full && ends_ms && ends_ms <= now_ms) return api_push_timeout(L, NULL);
  api_wait_begin(L, &self->more->inbox->drainer, ends_ms > now_ms ? ends_ms - now_ms : 0,
                 "drain() of this connection");
  if (!full) api_wait_wake_later(&self->more->inbox->drainer);
  return vm_wait(L, 0, drained);
}

/* conn:drain() -> true | nil, "closed" | nil, "timeout" */
static int l_conn_drain(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  api_check_count(L, 1, NULL);
  if (self->conn && !conn_is_closing(self->conn)) tell_call(L, self, "drain");
  return api_drain(L, self);
}

/* conn:pause(), conn:resume() -> true | nil, "closed" */
static int set_paused(lua_State *L, bool on) {
  struct api_conn *self = api_check_conn(L, 1);
  api_check_count(L, 1, NULL);
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  tell_call(L, self, on ? "pause" : "resume");
  conn_hold(self->conn, CONN_HOLD_SCRIPT, on);
  return api_push_true(L);
}

static int l_conn_pause(lua_State *L) {
  return set_paused(L, true);
}

static int l_conn_resume(lua_State *L) {
  return set_paused(L, false);
}

/* Where a reason is given to the one that ends. */
static const char says_why[] =
    "the reason that on_close and the log tell is the server's; keep your own in a field of the "
    "connection, or log it";

/* The three ways to end are idempotent: true, or nil, "closed" when it was over already. */
static int l_conn_close(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  if (!self->is_websocket) api_check_count(L, 1, says_why);
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  tell_call(L, self, "close");
  if (self->more->websocket) return api_websocket_close(L, self);
  conn_close(self->conn, REASON_CLOSED);
  return api_push_true(L);
}

static int l_conn_shutdown(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  api_check_count(L, 1, NULL);
  if (!self->conn || conn_phase(self->conn) >= CONN_PHASE_SHUTDOWN) return api_push_closed(L);
  if (self->more->websocket) return api_refuse_bytes(L, "shutdown", "conn:close()");
  tell_call(L, self, "shutdown");
  conn_shutdown(self->conn);
  return api_push_true(L);
}

static int l_conn_reset(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  api_check_count(L, 1, says_why);
  if (!self->conn) return api_push_closed(L);
  tell_call(L, self, "reset");
  conn_reset(self->conn, REASON_CLOSED);
  return api_push_true(L);
}

/* conn:settimeout(seconds or nil): how long recv() and drain() wait; nil or 0: as long as it takes */
static int l_conn_settimeout(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  api_check_count(L, 2, "it limits each call as a whole");
  if (!self->conn) return api_push_closed(L);
  api_need_inbox(L, self);
  self->more->inbox->timeout_ms = timeout_ms;
  return api_push_true(L);
}

/* conn:deadline(seconds or nil): when all later recv() and drain() end, together; nil or 0: never */
static int l_conn_deadline(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  api_check_count(L, 2, NULL);
  if (!self->conn) return api_push_closed(L);
  api_need_inbox(L, self);
  uint64_t now_ms = net_loop_now_ms(self->runtime->loop);
  self->more->inbox->deadline_ms = timeout_ms ? now_ms + timeout_ms : 0;
  return api_push_true(L);
}

/* conn:setoption(name, value) -> true | nil, code, detail */
static int l_conn_setoption(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, 1);
  return self->conn ? api_setoption(L, conn_descriptor(self->conn)) : api_push_closed(L);
}

/* conn:getoption(name) -> value | nil, code, detail */
static int l_conn_getoption(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, 1);
  return self->conn ? api_getoption(L, conn_descriptor(self->conn)) : api_push_closed(L);
}

static void push_tcp_info(lua_State *L, const struct platform_tcp *info) {
  lua_newtable(L);
  lua_pushstring(L, info->state);
  lua_setfield(L, -2, "state");
  api_set_integer(L, "rtt_us", info->rtt_us);
  api_set_integer(L, "rtt_variation_us", info->rtt_variation_us);
  api_set_integer(L, "retransmits", info->retransmits);
  api_set_integer(L, "unacked", info->unacked);
  api_set_integer(L, "lost", info->lost);
  api_set_integer(L, "congestion_window", info->congestion_window);
  api_set_integer(L, "send_mss", info->send_mss);
  api_set_integer(L, "receive_space", info->receive_space);
  if (info->receive_window != EVENT_UNKNOWN) {
    api_set_integer(L, "receive_window", info->receive_window);
  }
  if (info->peer_window != EVENT_UNKNOWN) api_set_integer(L, "peer_window", info->peer_window);
  api_set_integer(L, "unread", info->unread);
  api_set_integer(L, "in_flight", info->in_flight);
  api_set_integer(L, "unsent", info->unsent);
}

/* conn:stats() -> table; of a closed connection the last figures, with nothing queued */
static int l_conn_stats(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, 1);
  struct conn_counters counters = {0};
  api_check_count(L, 1, NULL);
  if (self->conn) {
    conn_counters(self->conn, &counters);
  } else if (self->more->past) {
    counters = self->more->past->counters;
  }
  lua_newtable(L);
  api_set_integer(L, "bytes_in", counters.bytes_in);
  api_set_integer(L, "bytes_out", counters.bytes_out);
  api_set_integer(L, "messages_in", counters.messages_in);
  api_set_integer(L, "messages_out", counters.messages_out);
  api_set_integer(L, "queue", self->conn ? conn_queue_bytes(self->conn) : 0);
  lua_pushnumber(L, (lua_Number)counters.age_ms / 1000);
  lua_setfield(L, -2, "age");
  struct platform_tcp info;
  if (self->conn && conn_tcp_info(self->conn, &info) == 0) {
    push_tcp_info(L, &info);
    lua_setfield(L, -2, "tcp");
  }
  return 1;
}

const luaL_Reg api_conn_methods[] = {
    {"send", l_conn_send},           {"send_message", l_conn_send_message},
    {"drain", l_conn_drain},         {"pause", l_conn_pause},
    {"resume", l_conn_resume},       {"close", l_conn_close},
    {"shutdown", l_conn_shutdown},   {"reset", l_conn_reset},
    {"stats", l_conn_stats},         {"settimeout", l_conn_settimeout},
    {"deadline", l_conn_deadline},   {"setoption", l_conn_setoption},
    {"getoption", l_conn_getoption}, {NULL, NULL},
};
