/* api/http.h — requests and responses between connections and scripts: what its files tell each other.
 * For api/ only.
 *
 * The way of a request: receive_http.c has the bytes, http_incoming.c finds the next whole request among
 * them, http_request.c makes the object of it, http_respond.c and http_stream.c answer, http_refuse.c does
 * so where no script can. http_client.c has the other side of the wire. */
#pragma once

#include "api/conn.h"
#include "base/http.h"

#include <lauxlib.h>

struct http_text;

/* A head, which is whole, and what is there of its body. The bytes are those of the inbox, or of
 * `incoming`, and stay until api_http_taken(). */
struct http_next {
  struct http_head head;
  const char *bytes; /* of the head */
  const char *body;
  size_t body_size;
  size_t consumed; /* of the inbox; 0: it is in `incoming` */
  bool is_part;    /* the body is to be read by who handles it */
};

enum http_next_result { HTTP_NEXT_MORE, HTTP_NEXT_READY, HTTP_NEXT_REFUSED };

/* --- http_incoming.c: no Lua ----------------------------------------------------------------- */

/* A body that is not there as a whole. */
struct http_incoming {
  struct http_body body;
  const void *message; /* whose body it is, when it is read piece by piece; only compared */
  size_t skipped;      /* bytes of it that nobody wanted */
  /* Of a body that is gathered: the head, and behind it as much of the body as there is. */
  struct http_head head;
  char *bytes;
  size_t size;
  size_t capacity;
};

/* Looks for the next request among what has come, and gathers it. With HTTP_NEXT_REFUSED, next->head has
 * the status and the fault. Sends 100 (Continue) where that is waited for. */
enum http_next_result api_http_next(struct api_conn *self, struct http_next *next);
/* The object has been made of it: the bytes are let go. */
void api_http_taken(struct api_conn *self, const struct http_next *next);
/* What of the body is to be read by somebody: NULL when memory is out. */
enum {
  HTTP_SKIP_BYTES_MAX = 256 * 1024
}; /* of a body that nobody wants: more of it costs the connection */
struct http_incoming *api_http_begin_body(struct api_conn *self, const struct http_head *head);
/* Reads off what nobody wanted of a body. False while there is more to come, or too much was left: then
 * it closes the connection. */
bool api_http_skip(struct api_conn *self);
void api_http_forget(struct api_conn *self);
/* 100 (Continue), if it is waited for. */
void api_http_invite(struct api_conn *self);

/* --- http_refuse.c: no Lua ------------------------------------------------------------------- */

/* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", of this second. Static until the next call. */
enum { HTTP_DATE_BYTES = 37 };
const char *api_http_date(struct runtime *runtime);
/* Answers with an error and a sentence, as text. `fields`: further ones of its head, or "". `closes` is
 * said to the peer; whoever calls it does so. */
void api_http_refuse(struct api_conn *self, unsigned status, const char *fault, const char *fields,
                     bool closes);
/* The peer asks, and does not take the answers: no further request is to be handled before it has. */
bool api_http_is_full(const struct api_conn *self);
/* The answer has been queued as a whole: ends the connection, if no other may follow. */
void api_http_answered(struct api_conn *self);

/* --- http_request.c --------------------------------------------------------------------------- */

enum http_message_body { HTTP_BODY_WHOLE, HTTP_BODY_COMING, HTTP_BODY_READ, HTTP_BODY_FAILED };

/* The payload of a userdata "moonport.request" or "moonport.response". */
struct http_message {
  const char *type;      /* by whose address it is known */
  struct api_conn *conn; /* kept by the first user value */
  struct http_head head;
  uint8_t body; /* enum http_message_body */
  char bytes[]; /* head.size */
};

/* Pushes the object of it, and lets the bytes go; the request is at hand from then on. Raises. */
void api_push_request(lua_State *L, struct api_conn *self, const struct http_next *next);
void api_push_response(lua_State *L, struct api_conn *self, const struct http_next *next);
/* Raises unless the argument is a request, or a response. */
struct http_message *api_check_message(lua_State *L, int index);
/* What the field of that name says, as in `headers[name]`: pushes a string or nil. The name is in lower
 * case. Raises. */
void api_push_header(lua_State *L, const struct http_message *message, const char *name);
/* Of the headers object at `index`, or NULL. */
const struct http_message *api_message_of_headers(lua_State *L, int index);
/* Makes these types. Raises. */
void api_open_http(lua_State *L);

/* --- http_body.c ------------------------------------------------------------------------------ */

/* message:read([max]) */
int api_message_read(lua_State *L);

/* --- http_respond.c --------------------------------------------------------------------------- */

/* What is known of an answer while it is put together. */
struct http_answer {
  struct http_text *text;
  unsigned status;
  int body_type;    /* a type of Lua */
  uint64_t size;    /* of the body, unless that is a function */
  uint64_t length;  /* what a field of the script's own says that it is */
  bool is_returned; /* by on_request */
  bool is_endless;  /* events */
  bool is_text;     /* the core says of which kind the body is */
  bool has_length;
  bool has_date;
  bool closes;
  bool is_chunked;
  bool body_is_sent; /* with the head */
};

/* Answers the request at hand with the value at 2, on top; the connection is at 1. Then calls `k`, also
 * when nothing had to be waited for, and when the connection is closed. Raises. */
int api_http_respond(lua_State *L, struct api_conn *self, bool is_returned, lua_KFunction k);
/* Queues the head, and the body unless it is a function: that is at HTTP_ANSWER_BODY then. 0 or UV_E*.
 * Raises. */
enum { HTTP_ANSWER_BODY = 4 };
int api_http_begin_answer(lua_State *L, struct api_conn *self, struct http_answer *answer);
/* Raises unless a request is at hand that is not answered. */
void api_http_check_due(lua_State *L, const struct api_conn *self, const char *call);
/* Raises: on_request returned `what`. */
int api_http_no_answer(lua_State *L, const char *what);
/* --- http_stream.c ---------------------------------------------------------------------------- */

/* The head is queued: calls the function at 2, on top, with write(data), ends the answer behind it, and
 * calls `k`. */
int api_http_stream(lua_State *L, struct api_conn *self, const struct http_answer *answer,
                    lua_KFunction k);
int api_http_events(lua_State *L); /* conn:events([headers]) */

/* --- websocket_upgrade.c ------------------------------------------------------------------------ */

/* In a handler's coroutine, with the connection at 1 and the request, which upgrades, at 2 and on top.
 * Either answers it (api_http_respond(), api_http_refuse() and api_http_answered()), or sends 101 and sets
 * the phase to HTTP_UPGRADED: then no request is looked for any more. May wait, with continuations that
 * end the handler: what comes behind is looked at after that. What it returns is of no account. */
int api_websocket_upgrade(lua_State *L, struct api_conn *self);
