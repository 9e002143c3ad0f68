/* api/conn_message.c — whole messages: on_message, conn:recv_message, conn:send_message.
 *
 * All messages that one read brought are handled in one entry into Lua, one call of the handler
 * each. A handler that waits goes on with the next message when it has ended. */
#include "api/conn_message.h"

#include "api/conn.h"
#include "api/frame.h"
#include "api/inbox.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static void refuse(struct api_conn *self, enum frame_result result,
                   const struct frame_slice *slice) {
  char text[300];
  int size = snprintf(text, sizeof text, "closing the connection: %s", slice->fault);
  runtime_log(self->runtime, LOG_WARN, self->id, text, (size_t)size);
  conn_close(self->conn, result == FRAME_TOO_LONG ? REASON_LIMIT : REASON_ERROR);
}

static void tell_message(lua_State *L, struct conn *conn, int index) {
  size_t size;
  if (!api_is_told(runtime_of(L), EVENT_MESSAGE)) return;
  const char *message = lua_tolstring(L, index, &size);
  api_tell_message(L, conn, message, size);
}

static int next_message(lua_State *L, int status, lua_KContext context);

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
    enum frame_result result = api_next_message(self->inbox, &service->frame, &bytes, &slice);
    if (result == FRAME_MORE) break;
    if (result != FRAME_MESSAGE) {
      refuse(self, result, &slice);
      break;
    }
    if (first) conn_greeted(self->conn);
    first = false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_MESSAGE]);
    lua_pushvalue(L, 1);
    int count = api_push_message(L, &service->frame, bytes, &slice);
    tell_message(L, self->conn, -count);
    if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_message", -count - 2);
    inbox_consume(self->inbox, slice.consumed);
    lua_callk(L, 1 + count, 0, 0, next_message);
  }
  return 0;
}

static int next_message(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return handle_all(L);
}

int api_handle_messages(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  api_push_conn(L, self);
  lua_replace(L, 1);
  return handle_all(L);
}

bool api_has_message(struct api_conn *self) {
  const char *bytes;
  struct frame_slice slice;
  const struct frame_format *format = &self->cohort->version->service.frame;
  if (!self->inbox || inbox_empty(self->inbox)) return false;
  return api_next_message(self->inbox, format, &bytes, &slice) != FRAME_MORE;
}

int api_take_message(lua_State *L, struct inbox *inbox, const struct frame_format *format) {
  const char *bytes;
  struct frame_slice slice;
  enum frame_result result = api_next_message(inbox, format, &bytes, &slice);
  if (result == FRAME_MORE) return 0;
  if (result != FRAME_MESSAGE) {
    luaL_pushfail(L);
    lua_pushstring(L, result == FRAME_TOO_LONG ? "limit" : "malformed");
    lua_pushstring(L, slice.fault);
    return 3;
  }
  int count = api_push_message(L, format, bytes, &slice);
  inbox_consume(inbox, slice.consumed);
  return count;
}

/* conn:send_message(message [, frame [, prefix]]) -> true | nil, "closed" */
static int l_send_message(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  size_t size, prefix_size;
  const char *message = luaL_checklstring(L, 2, &size);
  const char *prefix = luaL_optlstring(L, 4, "", &prefix_size);
  struct frame_format format;
  struct frame_wrapping wrapping;
  api_check_frame(L, 3, &format);
  const char *fault = frame_wrap(&format, prefix, prefix_size, message, size, &wrapping);
  if (fault) return luaL_error(L, "the message %s", fault);
  if (!self->conn || conn_send_begin(self->conn) < 0 ||
      conn_send_copied(self->conn, wrapping.header, wrapping.header_size) < 0 ||
      conn_send_copied(self->conn, message, size) < 0 ||
      conn_send_copied(self->conn, wrapping.trailer, wrapping.trailer_size) < 0) {
    luaL_pushfail(L);
    lua_pushliteral(L, "closed");
    return 2;
  }
  if (api_is_told(self->runtime, EVENT_SEND)) {
    api_tell_send(L, self->conn, wrapping.header_size + size + wrapping.trailer_size);
  }
  lua_pushboolean(L, 1);
  return 1;
}

void api_set_conn_message(lua_State *L) {
  lua_pushcfunction(L, l_send_message);
  lua_setfield(L, -2, "send_message");
}
