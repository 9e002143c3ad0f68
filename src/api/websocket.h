/* api/websocket.h — a connection on which both sides have agreed to speak WebSocket, for api/ only. */
#pragma once

#include "api/conn.h"
#include "base/websocket.h"

/* What a whole message below this size costs is no memory of its own. */
enum { WEBSOCKET_SCRATCH_BYTES = 4096 };

/* Belongs to its api_conn: until on_close has run, or with that of a script's own connection. */
struct websocket {
  struct websocket_reader reader;
  char *bytes; /* of the message at hand, as far as it has come; NULL: there are none */
  size_t size;
  size_t capacity;
  char *close_text;                /* of the close frame that came first; NULL: none, or empty */
  const char *fault;               /* why we ended it; NULL: we did not, or asked in peace */
  const struct receiver *receiver; /* of what comes; NULL: that of its version */
  uint8_t window_bits;             /* of what we deflate; 0: we do not */
  bool is_over : 1;                /* a close frame was sent: nothing may follow */
  bool peer_ended : 1;             /* one came first */
  bool hit_limit : 1;              /* what `fault` is about: limits.message */
};

struct websocket_terms {
  const struct receiver *receiver; /* of a server; NULL: it is a client's, which reads by itself */
  unsigned window_bits;            /* 8 to 15: permessage-deflate was agreed upon; 0: it was not */
};
/* From now on it speaks WebSocket; what came behind the handshake is in its inbox. False when memory is
 * out. */
bool api_websocket_begin(struct api_conn *self, const struct websocket_terms *terms);
void api_websocket_free(struct api_conn *self);
/* Lets go what was gathered of a message. */
void api_websocket_drop_message(struct websocket *websocket);
/* Whether it speaks WebSocket now, and messages can still be sent. */
bool api_websocket_is_open(const struct api_conn *self);

/* --- Messages that came -------------------------------------------------------------------- */

enum websocket_step {
  WEBSOCKET_STEP_MORE, /* all that has come is used up */
  WEBSOCKET_STEP_MESSAGE,
  WEBSOCKET_STEP_ENDED, /* the connection is closing */
};

struct websocket_message {
  const char *bytes; /* valid until the next step, and while `scratch` is */
  size_t size;
  bool is_text;
  char scratch[WEBSOCKET_SCRATCH_BYTES];
};

/* Goes on until a message is whole. Control frames are answered, and what may not be ends the connection;
 * both without Lua. */
enum websocket_step api_websocket_step(struct api_conn *self, struct websocket_message *message);
/* Pushes the message and "text" or "binary". Raises. */
int api_websocket_push(lua_State *L, struct api_conn *self,
                       const struct websocket_message *message);
extern const struct receiver api_receive_websocket;

/* --- Messages to send ---------------------------------------------------------------------- */

/* Queues one frame, whose payload is copied. 0 or UV_E*, as conn_send_begin(). */
int api_websocket_send(struct api_conn *self, enum websocket_opcode opcode, const char *payload,
                       size_t size);
/* The close frame that comes before `reason`, unless one was sent. For conn_events. */
void api_websocket_closing(struct conn *conn, enum reason reason);
/* A ping to one that says nothing. For conn_events. */
void api_websocket_quiet(struct conn *conn);
/* conn:send_message(message [, kind]), conn:close([code [, text]]) of one that speaks WebSocket. */
int api_websocket_send_message(lua_State *L, struct api_conn *self);
int api_websocket_close(lua_State *L, struct api_conn *self);
/* Raises: what `method` sends or reads are bytes, which would be in the way of frames. */
int api_refuse_bytes(lua_State *L, const char *method, const char *instead);
/* The opcode of "text" or "binary" at `index`, of the message at `message`. Raises unless it can be. */
enum websocket_opcode api_check_kind(lua_State *L, int index, int message);

/* conn.close_code, conn.close_text: nil while it is open, and of what is no WebSocket. */
void api_push_close_code(lua_State *L, const struct api_conn *self);
void api_push_close_text(lua_State *L, const struct api_conn *self);
