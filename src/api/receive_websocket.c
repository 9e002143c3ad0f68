/* api/receive_websocket.c — messages of WebSocket for on_message — does not know how they come in frames.
 *
 * What one read brought is looked at without Lua until a message is whole; then the handler is entered, and
 * gets all that are whole, one call each. So control frames and the pieces of a long message cost no entry. */
#include "api/inbox.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "vm/world.h"

#include <lauxlib.h>

/* The first message, found before Lua was entered. */
struct entry {
  struct api_conn *self;
  const struct websocket_message *message;
};

static int next_message(lua_State *L, int status, lua_KContext context);

static void drop_results(lua_State *L) {
  if (lua_gettop(L) == 1) return;
  api_tell_result(L, HANDLER_ON_MESSAGE, 2);
  lua_settop(L, 1);
}

static void call_handler(lua_State *L, struct api_conn *self,
                         const struct websocket_message *message) {
  const struct service *service = &version_of(L)->service;
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_MESSAGE]);
  lua_pushvalue(L, 1);
  int count = api_websocket_push(L, self, message);
  if (api_is_told(self->runtime, EVENT_MESSAGE)) {
    size_t size;
    const char *bytes = lua_tolstring(L, -count, &size);
    api_tell_message(L, self->conn, bytes, size);
  }
  if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_message", -count - 2);
  lua_callk(L, 1 + count, LUA_MULTRET, 0, next_message);
  drop_results(L);
}

/* Handles messages until the bytes are used up; the object is at index 1. */
static int handle_all(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  const struct vm_world *world = vm_world_in_force(self->runtime->vm);
  struct websocket_message message;
  /* After a reload during a wait, the rest is for the version that has the connection now. */
  while (self->conn && !conn_is_closing(self->conn) && self->cohort->version->world == world &&
         api_websocket_step(self, &message) == WEBSOCKET_STEP_MESSAGE) {
    call_handler(L, self, &message);
  }
  return 0;
}

static int next_message(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  drop_results(L);
  return handle_all(L);
}

/* Runs in the handler's coroutine. */
static int websocket_handle(lua_State *L) {
  const struct entry *entry = lua_touserdata(L, 1);
  api_push_conn(L, entry->self);
  lua_replace(L, 1);
  call_handler(L, entry->self, entry->message);
  return handle_all(L);
}

/* Handles what is whole of that which has come. False: nothing is. */
static bool handle_some(struct api_conn *self) {
  struct websocket_message message;
  const struct service *service = &self->cohort->version->service;
  if (!service_has(service,
                   HANDLER_ON_MESSAGE)) { /* another version came, which has no WebSocket */
    conn_close(self->conn, REASON_RELOAD);
    return false;
  }
  if (api_websocket_step(self, &message) != WEBSOCKET_STEP_MESSAGE) return false;
  struct entry entry = {.self = self, .message = &message};
  api_enter_handler(self, HANDLER_ON_MESSAGE, websocket_handle, &entry);
  return true;
}

static void websocket_received(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  if (!self->inbox && !(self->inbox = inbox_new())) {
    conn_close_starved(conn);
    return;
  }
  self->inbox->fresh = bytes;
  self->inbox->fresh_size = size;
  (void)handle_some(self);
  if (!inbox_keep_fresh(self->inbox)) conn_close_starved(conn);
  api_conn_deliver(self);
}

static bool websocket_deliver_kept(struct api_conn *self) {
  return self->inbox && !inbox_empty(self->inbox) && handle_some(self);
}

const struct receiver api_receive_websocket = {
    .received = websocket_received, .deliver_kept = websocket_deliver_kept, .joins_kept = true};
