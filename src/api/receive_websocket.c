/* api/receive_websocket.c — messages of WebSocket for on_message — does not know how they come in frames.
 *
 * What one read brought is looked at without Lua until a message is whole; then the handler is entered, and
 * gets all that are whole, one call each; and so do the connections that were read beside this one. Control
 * frames and the pieces of a long message cost no entry. */
#include "api/inbox.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "vm/world.h"

#include <lauxlib.h>

/* A message that is found before its handler is entered, and then the next connection's; lives on the C
 * stack until a handler waits. */
struct batch {
  struct api_conn *self;
  struct websocket_message message;
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
    vm_count_lap(self->runtime->vm);
    call_handler(L, self, &message);
  }
  return 0;
}

static int next_message(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  drop_results(L);
  return handle_all(L);
}

/* --- What comes ------------------------------------------------------------------------------ */

static void websocket_received(struct conn *conn, const char *bytes, size_t size);

/* Whether a message is whole. False, too, when it closed the connection. */
static bool find_message(struct api_conn *self, struct websocket_message *message) {
  const struct service *service = &self->cohort->version->service;
  if (service->protocol != PROTOCOL_WEBSOCKET) { /* another version came, which has none */
    conn_close(self->conn, REASON_RELOAD);
    return false;
  }
  return service_has(service, HANDLER_ON_MESSAGE) &&
         api_websocket_step(self, message) == WEBSOCKET_STEP_MESSAGE;
}

/* The next connection that received a message meanwhile. */
static bool next_of_batch(struct batch *batch) {
  while (api_next_fed(&batch->self, websocket_received, HANDLER_ON_MESSAGE)) {
    if (find_message(batch->self, &batch->message)) return true;
  }
  return false;
}

static void handle_one(lua_State *L, const struct batch *batch) {
  api_push_conn(L, batch->self);
  lua_replace(L, 1);
  call_handler(L, batch->self, &batch->message);
  handle_all(L);
}

/* Both run in the handler's coroutine, which is of the one whose handler waits, and ends with it. */
static int websocket_handle(lua_State *L) {
  struct batch *batch = lua_touserdata(L, 1);
  do {
    handle_one(L, batch);
  } while (next_of_batch(batch));
  return 0;
}

static int websocket_handle_kept(lua_State *L) {
  const struct batch *batch = lua_touserdata(L, 1);
  handle_one(L, batch);
  return 0;
}

static void websocket_received(struct conn *conn, const char *bytes, size_t size) {
  struct batch batch;
  struct api_conn *self = batch.self = conn_owner(conn);
  if (!api_take_inbox(self, bytes, size)) {
    conn_close_starved(conn);
    return;
  }
  if (find_message(self, &batch.message)) {
    api_enter_handler(self, HANDLER_ON_MESSAGE, websocket_handle, &batch);
  }
  self = batch.self; /* the last one */
  api_give_back_inbox(self);
  if (self->pending || self->more->inbox) api_conn_deliver(self);
}

static bool websocket_deliver_kept(struct api_conn *self) {
  struct batch batch;
  batch.self = self;
  if (!self->more->inbox || inbox_empty(self->more->inbox) || !find_message(self, &batch.message))
    return false;
  api_enter_handler(self, HANDLER_ON_MESSAGE, websocket_handle_kept, &batch);
  return true;
}

const struct receiver api_receive_websocket = {
    .received = websocket_received, .deliver_kept = websocket_deliver_kept, .joins_kept = true};
