/* api/websocket_send.c — frames that go out: messages, pings, the close frame — does not read any.
 *
 * A server's message is its head and the bytes as they are: a long string is borrowed, as send() does. A
 * client's is masked on the way, with a key that nobody can foresee, so that what a page sends cannot be
 * made to look like something else to whoever is between (RFC 6455, section 10.3). */
#include "api/websocket.h"

#include "api/arguments.h"
#include "api/deflate.h"
#include "api/errors.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "base/platform.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
  MASK_BYTES = 4096,       /* at once, on the stack */
  DEFLATE_BYTES_MIN = 128, /* below it there is little to gain */
};

/* --- One frame ----------------------------------------------------------------------------- */

static int queue_masked(struct conn *conn, const uint8_t *key, const char *bytes, size_t size) {
  char masked[MASK_BYTES];
  int rc = 0;
  for (size_t at = 0; rc == 0 && at < size; at += MASK_BYTES) {
    size_t part = size - at < MASK_BYTES ? size - at : MASK_BYTES;
    websocket_mask(masked, bytes + at, part, key, at);
    rc = conn_send_copied(conn, masked, part);
  }
  return rc;
}

/* How many bytes it is as a whole, or UV_E*. `lends`: the payload stays until the flush. */
static ssize_t queue_frame(struct api_conn *self, struct websocket_frame frame, const char *bytes,
                           bool lends) {
  char head[WEBSOCKET_HEAD_BYTES_MAX];
  uint8_t key[WEBSOCKET_KEY_BYTES];
  struct conn *conn = self->conn;
  if (!conn || self->more->websocket->is_over) return UV_EPIPE;
  if (self->more->websocket->reader.is_client) {
    if (platform_random(key, sizeof key, true) < 0) return UV_EIO;
    frame.key = key;
  }
  size_t size = (size_t)frame.size;
  size_t head_size = websocket_write_head(&frame, head);
  int rc = conn_send_begin(conn);
  if (rc == 0) rc = conn_send_copied(conn, head, head_size);
  if (rc < 0) return rc;
  if (frame.key) {
    rc = queue_masked(conn, key, bytes, size);
  } else {
    rc = lends ? conn_send_borrowed(conn, bytes, size) : conn_send_copied(conn, bytes, size);
  }
  return rc < 0 ? rc : (ssize_t)(head_size + size);
}

int api_websocket_send(struct api_conn *self, enum websocket_opcode opcode, const char *payload,
                       size_t size) {
  struct websocket_frame frame = {.opcode = opcode, .size = size};
  ssize_t sent = queue_frame(self, frame, payload, false);
  if (sent < 0) return (int)sent;
  if (api_is_told(self->runtime, EVENT_SEND)) {
    conn_tell_send(self->conn, (size_t)sent, "core", NULL);
  }
  return 0;
}

/* --- Messages ------------------------------------------------------------------------------ */

enum websocket_opcode api_check_kind(lua_State *L, int index, int message) {
  static const char *const kinds[] = {"text", "binary", NULL};
  size_t size;
  bool is_binary = luaL_checkoption(L, index, "text", kinds) == 1;
  const char *bytes = lua_tolstring(L, message, &size);
  if (is_binary) return WEBSOCKET_BINARY;
  luaL_argcheck(L, utf8_is_valid(bytes, size), message,
                "is no valid UTF-8, as text must be: send it as \"binary\"");
  return WEBSOCKET_TEXT;
}

/* As queue_frame(); 0 when it is better sent as it is. */
static ssize_t queue_deflated(struct api_conn *self, struct websocket_frame *frame,
                              const char *bytes) {
  struct deflate_piece piece;
  size_t size = (size_t)frame->size;
  unsigned bits = self->more->websocket->window_bits;
  if (bits == 0 || size < DEFLATE_BYTES_MIN) return 0;
  if (deflate_deflate(&self->runtime->deflate, bits, bytes, size, &piece) != DEFLATE_DONE) return 0;
  ssize_t sent = 0;
  if (piece.size < size) {
    frame->is_deflated = true;
    frame->size = piece.size;
    sent = queue_frame(self, *frame, piece.bytes, false);
  }
  free(piece.bytes);
  return sent;
}

int api_websocket_send_message(lua_State *L, struct api_conn *self) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  api_check_count(L, 3, NULL);
  struct websocket_frame frame = {.opcode = api_check_kind(L, 3, 2), .size = size};
  if (!api_websocket_is_open(self)) return api_push_closed(L);
  bool lends = size >= SEND_BORROWED_BYTES_MIN && !self->more->websocket->reader.is_client;
  ssize_t sent = queue_deflated(self, &frame, bytes);
  if (sent == 0) {
    if (lends) runtime_anchor(L, self->runtime, 2);
    sent = queue_frame(self, frame, bytes, lends);
  }
  if (sent < 0) return api_push_closed(L);
  if (api_is_told(self->runtime, EVENT_SEND)) api_tell_send(L, self->conn, (size_t)sent);
  return api_push_true(L);
}

/* --- The end ------------------------------------------------------------------------------- */

static void queue_close(struct api_conn *self, unsigned code, const char *text, size_t size) {
  char payload[WEBSOCKET_CONTROL_BYTES_MAX] = {(char)(code >> 8), (char)code};
  if (size > 0) memcpy(payload + 2, text, size);
  (void)api_websocket_send(self, WEBSOCKET_CLOSE, payload, 2 + size);
  self->more->websocket->is_over = true;
  if (self->close_code == 0) self->close_code = (uint16_t)code;
}

int api_websocket_close(lua_State *L, struct api_conn *self) {
  size_t size;
  lua_Integer code = luaL_optinteger(L, 2, WEBSOCKET_NORMAL);
  const char *text = luaL_optlstring(L, 3, "", &size);
  api_check_count(L, 3, NULL);
  luaL_argcheck(L, code > 0 && code <= 4999 && websocket_code_may_be_sent((unsigned)code), 2,
                "is no code that may be sent: 1000 is a normal end, 3000 to 4999 are your own");
  luaL_argcheck(L, size <= WEBSOCKET_REASON_BYTES_MAX, 3, "is longer than 123 bytes");
  luaL_argcheck(L, utf8_is_valid(text, size), 3, "is no valid UTF-8");
  if (!api_websocket_is_open(self)) return api_push_closed(L);
  queue_close(self, (unsigned)code, text, size);
  conn_close(self->conn, REASON_CLOSED);
  return api_push_true(L);
}

static unsigned code_for(enum reason reason) {
  switch (reason) {
    case REASON_IDLE:
    case REASON_SHUTDOWN: return WEBSOCKET_GOING_AWAY;
    case REASON_LIMIT: return WEBSOCKET_TOO_BIG;
    case REASON_ERROR: return WEBSOCKET_INTERNAL;
    case REASON_RELOAD: return WEBSOCKET_RESTART;
    case REASON_KICKED: return WEBSOCKET_POLICY;
    default: return WEBSOCKET_NORMAL;
  }
}

void api_websocket_closing(struct conn *conn, enum reason reason) {
  struct api_conn *self = conn_owner(conn);
  if (!self || !self->more->websocket || self->more->websocket->is_over) return;
  /* To a peer that has ended, or takes nothing, there is nothing to say. */
  bool is_heard = !conn_peer_finished(conn) && !conn_is_starved(conn) &&
                  conn_queue_bytes(conn) <= conn_group_of(conn)->queue_high;
  if (is_heard) queue_close(self, code_for(reason), NULL, 0);
}

void api_websocket_quiet(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (self && api_websocket_is_open(self)) (void)api_websocket_send(self, WEBSOCKET_PING, "", 0);
}
