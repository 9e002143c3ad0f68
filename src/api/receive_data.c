/* api/receive_data.c — bytes for on_data, cut where the network cut them. */
#include "api/conn.h"
#include "api/inbox.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"

#include <lauxlib.h>

enum { DATA_BYTES_MAX = 65536 }; /* what one on_data is given at most */

/* What one read brought, and then the next one; lives on the C stack until a handler waits. */
struct chunk {
  struct api_conn *self;
  const char *bytes;
  size_t size;
};

/* The handler stays below all of its calls. */
enum { HANDLER_INDEX = 2 };

static void push_handler(lua_State *L, const struct api_conn *self) {
  const struct service *service = &self->cohort->version->service;
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_DATA]);
}

static void push_call(lua_State *L, const struct api_conn *self) {
  lua_pushvalue(L, HANDLER_INDEX);
  api_push_conn(L, self);
}

/* What the handler returned is behind it. */
static int returned(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  if (lua_gettop(L) == HANDLER_INDEX) return 0;
  api_tell_result(L, HANDLER_ON_DATA, HANDLER_INDEX + 1);
  lua_settop(L, HANDLER_INDEX);
  return 0;
}

static int call(lua_State *L, const struct api_conn *self) {
  if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_data", -3);
  lua_callk(L, 2, LUA_MULTRET, 0, returned);
  return returned(L, LUA_OK, 0);
}

static void data_received(struct conn *conn, const char *bytes, size_t size);

/* Whether others received something meanwhile that can be handled in the same entry into Lua: then the
 * chunk is that of the next one. */
static bool data_next(struct chunk *chunk) {
  struct api_conn *next =
      api_next_received(chunk->self, data_received, HANDLER_ON_DATA, &chunk->bytes, &chunk->size);
  if (next) chunk->self = next;
  return next != NULL;
}

/* Both run in the handler's coroutine, which is of the one whose handler waits, and ends with it. */
static int data_handle(lua_State *L) {
  struct chunk *chunk = lua_touserdata(L, 1);
  push_handler(L, chunk->self);
  do {
    push_call(L, chunk->self);
    runtime_push_received(L, chunk->self->runtime, chunk->bytes, chunk->size);
    call(L, chunk->self);
  } while (data_next(chunk));
  return 0;
}

static int data_handle_kept(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, 1);
  struct inbox *inbox = self->more->inbox;
  size_t size = inbox->size < DATA_BYTES_MAX ? inbox->size : DATA_BYTES_MAX;
  push_handler(L, self);
  push_call(L, self);
  lua_pushlstring(L, inbox->bytes + inbox->start, size);
  inbox_consume(inbox, size);
  return call(L, self);
}

static void data_received(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  struct chunk chunk = {.self = self, .bytes = bytes, .size = size};
  api_enter_handler(self, HANDLER_ON_DATA, data_handle, &chunk);
  self = chunk.self; /* the last one */
  if (self->pending || self->more->inbox) api_conn_deliver(self);
}

static bool data_deliver_kept(struct api_conn *self) {
  if (!self->more->inbox || self->more->inbox->size == 0) return false;
  api_enter_handler(self, HANDLER_ON_DATA, data_handle_kept, self);
  return true;
}

const struct receiver api_receive_data = {.received = data_received,
                                          .deliver_kept = data_deliver_kept};
