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
#include "vm/world.h"

#include <lauxlib.h>
#include <stdio.h>

static void messages_refuse(struct api_conn *self, enum frame_result result,
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
    enum frame_result result = api_next_message(self->inbox, &service->frame, &bytes, &slice);
    if (result == FRAME_MORE) break;
    if (result != FRAME_MESSAGE) {
      messages_refuse(self, result, &slice);
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

/* Runs in the handler's coroutine. */
static int messages_handle(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  api_push_conn(L, self);
  lua_replace(L, 1);
  return handle_all(L);
}

static void messages_received(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  if (!self->inbox && !(self->inbox = inbox_new())) {
    conn_close_starved(conn);
    return;
  }
  self->inbox->fresh = bytes;
  self->inbox->fresh_size = size;
  api_enter_handler(self, HANDLER_ON_MESSAGE, messages_handle, self);
  if (!inbox_keep_fresh(self->inbox)) conn_close_starved(conn);
  api_conn_deliver(self);
}

static bool messages_deliver_kept(struct api_conn *self) {
  const char *bytes;
  struct frame_slice slice;
  const struct frame_format *format = &self->cohort->version->service.frame;
  if (!self->inbox || inbox_empty(self->inbox)) return false;
  if (api_next_message(self->inbox, format, &bytes, &slice) == FRAME_MORE) return false;
  api_enter_handler(self, HANDLER_ON_MESSAGE, messages_handle, self);
  return true;
}

const struct receiver api_receive_messages = {
    .received = messages_received, .deliver_kept = messages_deliver_kept, .joins_kept = true};
