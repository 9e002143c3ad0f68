/* api/receive_messages.c — whole messages for on_message — does not know how they are cut.
 *
 * They come straight from the read buffer; what is left of the last one is kept. All messages that one read brought are handled in one entry into Lua, one call of the handler
 * each. A handler that waits goes on with the next message when it has ended. */
#include "api/conn.h"
#include "api/frame.h"
#include "api/inbox.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "base/text.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdio.h>

static void messages_refuse(struct api_conn *self, enum frame_result result,
                            const struct frame_slice *slice) {
  bool is_longer = result == FRAME_TOO_LONG && slice->fault != api_frame_starved;
  api_log_closing(self, slice->fault,
                  is_longer ? self->cohort->version->service.frame.message_bytes_max : 0);
  conn_close(self->conn, result == FRAME_TOO_LONG ? REASON_LIMIT : REASON_ERROR);
}

static void tell_message(lua_State *L, struct conn *conn, int index) {
  size_t size;
  if (!api_is_told(runtime_of(L), EVENT_MESSAGE)) return;
  const char *message = lua_tolstring(L, index, &size);
  api_tell_message(L, conn, message, size);
}

static int next_message(lua_State *L, int status, lua_KContext context);

static void drop_results(lua_State *L) {
  if (lua_gettop(L) == 1) return;
  api_tell_result(L, HANDLER_ON_MESSAGE, 2);
  lua_settop(L, 1);
}

/* Handles messages until the bytes are used up; the object is at index 1. */
static int handle_all(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  const struct vm_world *world = vm_world_in_force(self->runtime->vm);
  const struct service *service = &version_of(L)->service;
  /* After a reload during a wait, the rest is for the version that has the connection now. The one
   * whose code runs here may be freed already: its world is not. */
  bool first = true;
  while (self->conn && !conn_is_closing(self->conn) && self->cohort->version->world == world) {
    const char *bytes;
    struct frame_slice slice;
    enum frame_result result = api_next_message(self->more->inbox, &service->frame, &bytes, &slice);
    if (result == FRAME_MORE) break;
    if (result != FRAME_MESSAGE) {
      messages_refuse(self, result, &slice);
      break;
    }
    if (first) {
      conn_greeted(self->conn);
    } else {
      vm_count_lap(self->runtime->vm);
    }
    first = false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_MESSAGE]);
    lua_pushvalue(L, 1);
    int count = api_push_message(L, &service->frame, bytes, &slice);
    tell_message(L, self->conn, -count);
    if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_message", -count - 2);
    inbox_consume(self->more->inbox, slice.consumed);
    lua_callk(L, 1 + count, LUA_MULTRET, 0, next_message);
    drop_results(L);
  }
  return 0;
}

static int next_message(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  drop_results(L);
  return handle_all(L);
}

static int last_handled(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  drop_results(L);
  return 0;
}

/* Runs in the handler's coroutine. */
static int last_handle(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  const char *bytes;
  size_t size;
  if (!inbox_view(self->more->inbox, &bytes, &size)) return luaL_error(L, "not enough memory");
  api_push_conn(L, self);
  lua_replace(L, 1);
  conn_greeted(self->conn);
  lua_rawgeti(L, LUA_REGISTRYINDEX, version_of(L)->service.handlers[HANDLER_ON_MESSAGE]);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, bytes, size);
  lua_pushliteral(L, "eof");
  tell_message(L, self->conn, -2);
  if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_message", -4);
  inbox_consume(self->more->inbox, size);
  lua_callk(L, 3, LUA_MULTRET, 0, last_handled);
  return last_handled(L, LUA_OK, 0);
}

/* Runs in the handler's coroutine. */
static int messages_handle(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  api_push_conn(L, self);
  lua_replace(L, 1);
  return handle_all(L);
}

static void messages_received(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  if (!api_have_inbox(self)) {
    conn_close_starved(conn);
    return;
  }
  self->more->inbox->fresh = bytes;
  self->more->inbox->fresh_size = size;
  api_enter_handler(self, HANDLER_ON_MESSAGE, messages_handle, self);
  if (!inbox_keep_fresh(self->more->inbox)) conn_close_starved(conn);
  api_conn_deliver(self);
}

static bool messages_deliver_kept(struct api_conn *self) {
  const char *bytes;
  struct frame_slice slice;
  const struct frame_format *format = &self->cohort->version->service.frame;
  if (!self->more->inbox || inbox_empty(self->more->inbox)) return false;
  if (api_next_message(self->more->inbox, format, &bytes, &slice) == FRAME_MORE) return false;
  api_enter_handler(self, HANDLER_ON_MESSAGE, messages_handle, self);
  return true;
}

static void tell_cut(const struct api_conn *self, size_t size) {
  char text[100];
  int length = snprintf(text, sizeof text, "the peer ended within a message: %zu %s dropped", size,
                        size == 1 ? "byte of it is" : "bytes of it are");
  runtime_log(self->runtime, LOG_INFO, self->id, text, (size_t)length);
}

/* The last line of a text often has no end of its own. What has a length, and less bytes than that, is
 * no message. */
static bool messages_deliver_last(struct api_conn *self) {
  const struct frame_format *format = &self->cohort->version->service.frame;
  size_t size = self->more->inbox ? self->more->inbox->size : 0;
  if (size == 0) return false;
  bool ends_it = format->kind == FRAME_BY_LINE || format->kind == FRAME_BY_DELIMITER;
  if (ends_it && size > format->message_bytes_max) { /* what ends it was awaited */
    const struct frame_slice slice = {
        .fault = "what came before the peer's end is longer than a message may be"};
    messages_refuse(self, FRAME_TOO_LONG, &slice);
    return true;
  }
  if (ends_it) {
    api_enter_handler(self, HANDLER_ON_MESSAGE, last_handle, self);
    return true;
  }
  tell_cut(self, size);
  inbox_consume(self->more->inbox, size);
  return false;
}

const struct receiver api_receive_messages = {.received = messages_received,
                                              .deliver_kept = messages_deliver_kept,
                                              .deliver_last = messages_deliver_last,
                                              .joins_kept = true};
