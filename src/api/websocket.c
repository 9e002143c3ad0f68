/* api/websocket.c — what a peer says by WebSocket: messages put together, control frames answered, what may
 * not be refused. Does not know who gets the messages.
 *
 * The happy path: a whole frame of a small message is unmasked into the caller's scratch. What is longer,
 * or comes in fragments, is gathered, and never more of it than limits.message. */
#include "api/websocket.h"

#include "api/deflate.h"
#include "api/inbox.h"
#include "api/runtime.h"
#include "base/grow.h"
#include "base/text.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 1024 };

static size_t message_bytes_max(const struct api_conn *self) {
  const struct version *version = self->cohort ? self->cohort->version : self->runtime->current;
  return version->service.message_bytes_max;
}

/* --- Refusing ------------------------------------------------------------------------------ */

static void say_close(struct api_conn *self, unsigned code, const char *text, size_t size) {
  char payload[WEBSOCKET_CONTROL_BYTES_MAX] = {(char)(code >> 8), (char)code};
  if (size > WEBSOCKET_REASON_BYTES_MAX) size = WEBSOCKET_REASON_BYTES_MAX;
  if (size > 0) memcpy(payload + 2, text, size);
  (void)api_websocket_send(self, WEBSOCKET_CLOSE, payload,
                           code == WEBSOCKET_NO_CODE ? 0 : 2 + size);
  self->more->websocket->is_over = true;
}

/* `fault` is a sentence in ASCII. */
static void websocket_refuse(struct api_conn *self, unsigned code, const char *fault) {
  bool is_limit = code == WEBSOCKET_TOO_BIG;
  api_log_closing(self, fault, is_limit ? message_bytes_max(self) : 0);
  self->more->websocket->fault = fault;
  self->more->websocket->hit_limit = is_limit;
  self->close_code = (uint16_t)code;
  say_close(self, code, fault, strlen(fault));
  conn_close(self->conn, is_limit ? REASON_LIMIT : REASON_ERROR);
}

static enum websocket_step starve(struct api_conn *self) {
  conn_close_starved(self->conn);
  return WEBSOCKET_STEP_ENDED;
}

/* --- Control frames ------------------------------------------------------------------------ */

static void take_close(struct api_conn *self, const char *payload, size_t size) {
  struct websocket_event event;
  if (!websocket_read_close(payload, size, &event)) {
    websocket_refuse(self, event.code, event.fault);
    return;
  }
  self->close_code = (uint16_t)event.code;
  self->more->websocket->peer_ended = true;
  if (size > 2) self->more->websocket->close_text = strndup(payload + 2, size - 2);
  say_close(self, event.code, NULL, 0);
  conn_close(self->conn, REASON_EOF);
}

static void take_control(struct api_conn *self, const struct websocket_event *event) {
  char payload[WEBSOCKET_CONTROL_BYTES_MAX];
  if (self->more->websocket->reader.is_client) {
    if (event->size > 0) memcpy(payload, event->payload, event->size);
  } else {
    websocket_mask(payload, event->payload, event->size, event->key, 0);
  }
  switch (event->opcode) {
    case WEBSOCKET_CLOSE: take_close(self, payload, event->size); break;
    case WEBSOCKET_PING:
      (void)api_websocket_send(self, WEBSOCKET_PONG, payload, event->size);
      break;
    default: break; /* that a pong came is all it says */
  }
}

/* --- Messages ------------------------------------------------------------------------------ */

/* Where the next `size` bytes of the message at hand go; NULL when memory is out. */
static char *place_for(struct websocket *websocket, size_t size) {
  size_t wanted = websocket->size + size;
  if (!grow_bytes(&websocket->bytes, &websocket->capacity, wanted, CAPACITY_FIRST)) return NULL;
  return websocket->bytes + websocket->size;
}

/* Replaces what was gathered by what it was before it was deflated. False when that ends it. */
static bool inflate_message(struct api_conn *self, bool is_text) {
  struct websocket *websocket = self->more->websocket;
  struct deflate_piece piece;
  switch (deflate_inflate(&self->runtime->deflate, websocket->bytes, websocket->size,
                          message_bytes_max(self), &piece)) {
    case DEFLATE_DONE: break;
    case DEFLATE_STARVED: return starve(self) == WEBSOCKET_STEP_MESSAGE;
    case DEFLATE_TOO_LONG:
      websocket_refuse(self, WEBSOCKET_TOO_BIG, "the message inflates to more than it may have");
      return false;
    case DEFLATE_BROKEN:
      websocket_refuse(self, WEBSOCKET_BAD_TEXT, "a message cannot be inflated");
      return false;
  }
  api_websocket_drop_message(websocket);
  websocket->bytes = piece.bytes;
  websocket->size = websocket->capacity = piece.size;
  if (!is_text || utf8_is_valid(piece.bytes, piece.size)) return true;
  websocket_refuse(self, WEBSOCKET_BAD_TEXT, "a text message is no valid UTF-8");
  return false;
}

static enum websocket_step take_data(struct api_conn *self, struct websocket_event *event,
                                     struct websocket_message *message) {
  struct websocket *websocket = self->more->websocket;
  bool fits = event->is_first && event->is_last && !event->is_deflated &&
              event->size <= sizeof message->scratch;
  char *to = fits ? message->scratch : place_for(websocket, event->size);
  if (!to) return starve(self);
  bool is_valid = websocket_take(&websocket->reader, event, to);
  inbox_consume(self->more->inbox, event->used);
  if (!is_valid) {
    websocket_refuse(self, event->code, event->fault);
    return WEBSOCKET_STEP_ENDED;
  }
  message->is_text = event->opcode == WEBSOCKET_TEXT;
  if (!fits) websocket->size += event->size;
  if (!event->is_last) return WEBSOCKET_STEP_MORE;
  if (event->is_deflated && !inflate_message(self, message->is_text)) return WEBSOCKET_STEP_ENDED;
  message->bytes = fits ? message->scratch : websocket->bytes;
  message->size = fits ? event->size : websocket->size;
  return WEBSOCKET_STEP_MESSAGE;
}

enum websocket_step api_websocket_step(struct api_conn *self, struct websocket_message *message) {
  enum websocket_step step = WEBSOCKET_STEP_MORE;
  struct websocket *websocket = self->more->websocket;
  while (step == WEBSOCKET_STEP_MORE) {
    const char *bytes;
    size_t size;
    struct websocket_event event;
    if (!self->conn || conn_is_closing(self->conn)) return WEBSOCKET_STEP_ENDED;
    if (!inbox_view(self->more->inbox, &bytes, &size)) return starve(self);
    switch (websocket_next(&websocket->reader, message_bytes_max(self), bytes, size, &event)) {
      case WEBSOCKET_DATA: step = take_data(self, &event, message); break;
      case WEBSOCKET_CONTROL:
        take_control(self, &event);
        inbox_consume(self->more->inbox, event.used);
        break;
      case WEBSOCKET_MORE: return WEBSOCKET_STEP_MORE;
      case WEBSOCKET_REFUSED:
        websocket_refuse(self, event.code, event.fault);
        return WEBSOCKET_STEP_ENDED;
    }
  }
  return step;
}

int api_websocket_push(lua_State *L, struct api_conn *self,
                       const struct websocket_message *message) {
  lua_pushlstring(L, message->bytes, message->size);
  lua_pushstring(L, message->is_text ? "text" : "binary");
  api_websocket_drop_message(self->more->websocket);
  return 2;
}

int api_refuse_bytes(lua_State *L, const char *method, const char *instead) {
  return luaL_error(L, "%s: this connection is a WebSocket, which has messages: write %s", method,
                    instead);
}
