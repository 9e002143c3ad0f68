/* api/conn_recv.c — conn:recv, recv_exactly, recv_line, recv_until, recv_message: bytes for a handler that waits.
 *
 * Each is the same loop: look whether what has arrived is enough; if not, wait for more and look
 * again. The arguments stay on the coroutine's stack meanwhile. */
#include "api/conn.h"

#include "api/arguments.h"
#include "api/frame.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "net/conn_tls.h"
#include "net/loop.h"

#include <lauxlib.h>
#include <string.h>

enum { RECV_BYTES_DEFAULT = 65536 };

static size_t limit_of(lua_State *L, int index) {
  size_t message_max = version_of(L)->service.message_bytes_max;
  lua_Integer max = luaL_optinteger(L, index, (lua_Integer)message_max);
  luaL_argcheck(L, max > 0, index, "must be 1 or more bytes");
  return (size_t)max;
}

static int take(lua_State *L, struct inbox *inbox, const char *bytes, size_t size,
                size_t consumed) {
  if (size == inbox->fresh_size) {
    runtime_push_received(L, runtime_of(L), bytes, size);
  } else {
    lua_pushlstring(L, bytes, size);
  }
  inbox_consume(inbox, consumed);
  return 1;
}

static int push_failure(lua_State *L, const char *code) {
  luaL_pushfail(L);
  lua_pushstring(L, code);
  return 2;
}

/* recv([max]) */
static int take_some(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  lua_Integer max = luaL_optinteger(L, 2, RECV_BYTES_DEFAULT);
  luaL_argcheck(L, max > 0, 2, "must be 1 or more bytes");
  if (size == 0) return 0;
  if (size > (size_t)max) size = (size_t)max;
  return take(L, inbox, bytes, size, size);
}

/* recv_exactly(n) */
static int take_exactly(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  size_t wanted = (size_t)luaL_checkinteger(L, 2);
  return size < wanted ? 0 : take(L, inbox, bytes, wanted, wanted);
}

struct separator {
  const char *bytes;
  size_t size;
  bool trim; /* a CR before it belongs to it */
};

/* Where `separator` begins, or NULL. Goes on where the last look ended. */
static const char *find(struct inbox *inbox, const char *bytes, size_t size,
                        const struct separator *separator) {
  if (size < separator->size) return NULL;
  const char *found =
      memmem(bytes + inbox->scanned, size - inbox->scanned, separator->bytes, separator->size);
  if (!found) inbox->scanned = size - separator->size + 1;
  return found;
}

/* Up to `separator`, of at most `max` bytes. */
static int take_until(lua_State *L, struct inbox *inbox, const char *bytes, size_t size,
                      const struct separator *separator, size_t max) {
  const char *end = find(inbox, bytes, size, separator);
  if (!end) {
    size_t undecided = separator->size - 1 + separator->trim; /* may still belong to it */
    return size > max + undecided ? push_failure(L, "limit") : 0;
  }
  size_t length = (size_t)(end - bytes);
  size_t consumed = length + separator->size;
  if (separator->trim && length > 0 && bytes[length - 1] == '\r') length--;
  if (length > max) return push_failure(L, "limit");
  return take(L, inbox, bytes, length, consumed);
}

/* recv_line([max]) */
static int take_line(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  const struct separator separator = {.bytes = "\n", .size = 1, .trim = true};
  return take_until(L, inbox, bytes, size, &separator, limit_of(L, 2));
}

/* recv_until(separator [, max]) */
static int take_up_to(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  struct separator separator = {0};
  separator.bytes = luaL_checklstring(L, 2, &separator.size);
  return take_until(L, inbox, bytes, size, &separator, limit_of(L, 3));
}

/* recv_message([frame]) */
static int take_message(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  struct api_conn *self = lua_touserdata(L, 1);
  (void)size; /* the splitter looks for itself */
  const struct request_hooks *hooks = api_requests_of(self);
  if (hooks) return hooks->take(L, self);
  struct frame_format given;
  struct frame_slice slice;
  const struct frame_format *format = api_check_frame(L, 2, &given);
  enum frame_result result = api_next_message(inbox, format, &bytes, &slice);
  if (result == FRAME_MORE) return 0;
  if (result != FRAME_MESSAGE) {
    push_failure(L, result == FRAME_TOO_LONG ? "limit" : "malformed");
    lua_pushstring(L, slice.fault);
    return 3;
  }
  int count = api_push_message(L, format, bytes, &slice);
  inbox_consume(inbox, slice.consumed);
  return count;
}

static const struct recv_kind kind_some = {.name = "recv", .take = take_some};
static const struct recv_kind kind_exactly = {.name = "recv_exactly", .take = take_exactly};
static const struct recv_kind kind_line = {.name = "recv_line", .take = take_line};
static const struct recv_kind kind_up_to = {.name = "recv_until", .take = take_up_to};
static const struct recv_kind kind_message = {.name = "recv_message", .take = take_message};

/* Of one that connected, an end that the peer did not say may be somebody else's. */
static const char *eof_code(const struct conn *conn) {
  struct conn_tls tls;
  bool is_cut = conn_is_outgoing(conn) && conn_tls(conn, &tls) && tls.is_truncated;
  return is_cut ? "truncated" : "eof";
}

/* Why no more bytes will come, or NULL. */
static const char *end_code(const struct api_conn *self) {
  bool reset = self->more->past && self->more->past->reason == REASON_RESET;
  if (!self->conn || conn_is_closing(self->conn)) return reset ? "reset" : "closed";
  if (conn_peer_finished(self->conn)) return eof_code(self->conn);
  return self->more->inbox->reader.timed_out ? "timeout" : NULL;
}

/* nil, code, and what had arrived of an incomplete piece, which then counts as taken */
static int recv_give_up(lua_State *L, const struct recv_kind *kind, struct inbox *inbox,
                        const char *code) {
  const char *bytes;
  size_t size;
  if (!inbox_view(inbox, &bytes, &size)) return luaL_error(L, "not enough memory");
  int count = push_failure(L, code);
  if (size == 0) return count;
  if (!kind->leaves) return count + take(L, inbox, bytes, size, size);
  lua_pushlstring(L, bytes, size);
  return count + 1;
}

static int attempt(lua_State *L, struct api_conn *self, const struct recv_kind *kind);

static int go_on(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct api_conn *self = api_check_conn(L, 1);
  if (!self->more->inbox)
    return push_failure(L, "closed"); /* closed, and forgotten, while it waited */
  return attempt(L, self, (const struct recv_kind *)context);
}

/* The call waits as often as bytes come that are not enough, and has one limit for all of that. */
static void begin_call(const struct api_conn *self) {
  struct inbox *inbox = self->more->inbox;
  uint64_t now_ms = net_loop_now_ms(self->runtime->loop);
  inbox->ends_ms = inbox_call_ends_ms(inbox, now_ms);
  inbox->reader.timed_out = false;
  inbox->scanned = 0;
  inbox->walk = (struct pack_walk){0};
}

/* 0: no limit. When the time is up, that is noted. */
static uint64_t time_left_ms(const struct api_conn *self) {
  struct inbox *inbox = self->more->inbox;
  uint64_t now_ms = net_loop_now_ms(self->runtime->loop);
  if (inbox->ends_ms == 0) return 0;
  if (inbox->ends_ms > now_ms) return inbox->ends_ms - now_ms;
  inbox->reader.timed_out = true;
  return 0;
}

/* What ended it, and why: what the peer said, or what was wrong with what it said. */
static int push_websocket_end(lua_State *L, const struct api_conn *self, const char *code) {
  const struct websocket *websocket = self->more->websocket;
  if (websocket && websocket->fault) {
    push_failure(L, websocket->hit_limit ? "limit" : "malformed");
    lua_pushstring(L, websocket->fault);
    return 3;
  }
  push_failure(L, websocket && websocket->peer_ended ? "eof" : code);
  lua_pushstring(L, websocket ? websocket->close_text : NULL);
  return 3;
}

static int attempt_websocket(lua_State *L, struct api_conn *self) {
  struct websocket_message message;
  if (api_websocket_step(self, &message) == WEBSOCKET_STEP_MESSAGE) {
    int count = api_websocket_push(L, self, &message);
    if (self->conn && api_is_told(self->runtime, EVENT_RECV)) {
      api_tell_recv(L, self->conn, "recv_message", -count);
    }
    return count;
  }
  uint64_t left_ms = time_left_ms(self);
  const char *code = end_code(self);
  if (code) return push_websocket_end(L, self, code);
  api_wait_begin(L, &self->more->inbox->reader, left_ms, "a read from this connection");
  api_conn_update(self);
  return vm_wait(L, (lua_KContext)&kind_message, go_on);
}

/* The bytes are at `index`. */
static void tell_taken(lua_State *L, const struct api_conn *self, const struct recv_kind *kind,
                       int index) {
  if (kind->leaves) return;
  /* Any bytes are no whole message where on_data got the ones before. */
  if (kind != &kind_some || self->handler != HANDLER_ON_DATA) conn_greeted(self->conn);
  bool is_told = api_is_told(self->runtime, EVENT_RECV) && lua_type(L, index) == LUA_TSTRING;
  if (is_told) api_tell_recv(L, self->conn, kind->name, index);
}

static int attempt(lua_State *L, struct api_conn *self, const struct recv_kind *kind) {
  struct inbox *inbox = self->more->inbox;
  if (self->more->websocket) return attempt_websocket(L, self);
  const char *bytes;
  size_t size;
  if (!inbox_view(inbox, &bytes, &size)) return luaL_error(L, "not enough memory");
  int top = lua_gettop(L);
  int count = kind->take(L, inbox, bytes, size);
  if (count == 0) lua_settop(L, top); /* or each piece that is not enough would leave something */
  if (count > 0) {
    if (self->conn && !lua_isnil(L, -count)) tell_taken(L, self, kind, -count - kind->below);
    return count;
  }
  uint64_t left_ms = time_left_ms(self);
  const char *code = end_code(self);
  if (code && (kind->is_whole || api_requests_of(self))) return push_failure(L, code);
  if (code) return recv_give_up(L, kind, inbox, code);
  api_wait_begin(L, &inbox->reader, left_ms, "a read from this connection");
  api_conn_update(self);
  return vm_wait(L, (lua_KContext)kind, go_on);
}

int api_receive(lua_State *L, const struct recv_kind *kind) {
  struct api_conn *self = api_check_conn(L, 1);
  if (!self->conn && !self->more->inbox)
    return push_failure(L, self->was_reset ? "reset" : "closed");
  api_need_inbox(L, self);
  if (self->more->websocket && kind != &kind_message) {
    return api_refuse_bytes(L, kind->name, "conn:recv_message()");
  }
  if (api_wait_pending(&self->more->inbox->reader)) {
    return luaL_error(L, "another coroutine already reads from this connection");
  }
  (void)vm_wait_ticket(L); /* raises where no wait is possible, also when the bytes are there */
  begin_call(self);
  return attempt(L, self, kind);
}

/* Bytes of requests are not for a script to cut. */
int api_receive_bytes(lua_State *L, const struct recv_kind *kind) {
  if (api_requests_of(api_check_conn(L, 1))) {
    return luaL_error(L,
                      "%s() takes bytes, and this connection has requests: their bodies are "
                      "request.body, or with stream = true request:read()",
                      kind->name);
  }
  return api_receive(L, kind);
}

/* conn:recv([max]) -> string of 1 to max (65536) bytes | nil, code */
static int l_recv(lua_State *L) {
  api_check_count(L, 2, NULL);
  return api_receive_bytes(L, &kind_some);
}

size_t api_check_size(lua_State *L, int index) {
  size_t max = version_of(L)->service.message_bytes_max;
  lua_Integer size = luaL_checkinteger(L, index);
  luaL_argcheck(L, size >= 0, index, "must be 0 or more bytes");
  luaL_argcheck(L, (size_t)size <= max, index, "is more than limits.message");
  return (size_t)size;
}

/* conn:recv_exactly(n) -> string of n bytes | nil, code [, partial] */
static int l_recv_exactly(lua_State *L) {
  api_check_count(L, 2, NULL);
  api_check_size(L, 2);
  return api_receive_bytes(L, &kind_exactly);
}

/* conn:recv_line([max]) -> line without its LF or CRLF | nil, code [, partial] */
static int l_recv_line(lua_State *L) {
  api_check_count(L, 2, NULL);
  return api_receive_bytes(L, &kind_line);
}

/* conn:recv_until(separator [, max]) -> what is before it | nil, code [, partial] */
static int l_recv_until(lua_State *L) {
  api_check_count(L, 3, NULL);
  luaL_argcheck(L, *luaL_checkstring(L, 2) || lua_rawlen(L, 2), 2, "must not be empty");
  return api_receive_bytes(L, &kind_up_to);
}

/* conn:recv_message([frame]) -> message [, prefix] | nil, code [, partial or detail] */
static int l_recv_message(lua_State *L) {
  api_check_count(L, 2, NULL);
  return api_receive(L, &kind_message);
}

const luaL_Reg api_recv_methods[] = {
    {"recv", l_recv},
    {"recv_exactly", l_recv_exactly},
    {"recv_line", l_recv_line},
    {"recv_until", l_recv_until},
    {"recv_message", l_recv_message},
    {NULL, NULL},
};
