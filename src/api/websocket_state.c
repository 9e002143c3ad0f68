/* api/websocket_state.c — what a connection keeps while it speaks WebSocket: made, asked, let go. Does not
 * read or send. */
#include "api/websocket.h"

#include <lauxlib.h>
#include <stdlib.h>

bool api_websocket_begin(struct api_conn *self, const struct websocket_terms *terms) {
  struct websocket *websocket = calloc(1, sizeof *websocket);
  if (!websocket || !api_need_more(self)) {
    free(websocket);
    return false;
  }
  websocket->reader.is_client = !terms->receiver;
  websocket->receiver = terms->receiver;
  websocket->reader.deflates = terms->window_bits > 0;
  websocket->window_bits = (uint8_t)terms->window_bits;
  self->more->websocket = websocket;
  self->is_websocket = true;
  self->has_requests = false;
  conn_greeted(self->conn);
  conn_probe(self->conn);
  return true;
}

void api_websocket_drop_message(struct websocket *websocket) {
  free(websocket->bytes);
  websocket->bytes = NULL;
  websocket->size = websocket->capacity = 0;
}

void api_websocket_free(struct api_conn *self) {
  struct websocket *websocket = self->more->websocket;
  if (!websocket) return;
  self->more->websocket = NULL;
  api_websocket_drop_message(websocket);
  free(websocket->close_text);
  free(websocket);
}

bool api_websocket_is_open(const struct api_conn *self) {
  return self->more->websocket && !self->more->websocket->is_over && self->conn &&
         !conn_is_closing(self->conn);
}

void api_push_close_code(lua_State *L, const struct api_conn *self) {
  unsigned code = self->close_code;
  bool is_over = !self->conn || conn_is_closing(self->conn);
  if (code == 0 && self->is_websocket && is_over) code = WEBSOCKET_ABNORMAL;
  if (code == 0) {
    lua_pushnil(L);
  } else {
    lua_pushinteger(L, (lua_Integer)code);
  }
}

void api_push_close_text(lua_State *L, const struct api_conn *self) {
  lua_pushstring(L, self->more->websocket ? self->more->websocket->close_text
                                          : NULL); /* nil for NULL */
}
