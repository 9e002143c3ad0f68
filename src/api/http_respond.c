/* api/http_respond.c — answers: what on_request returns, and conn:respond — does not wait.
 *
 * The head is put together in memory of the runtime, with everything checked before a byte of it is
 * queued: an answer that raises has sent nothing. How the body is framed is the core's: what a script says
 * of that must agree, or is refused. */
#include "api/http_text.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/http.h"
#include "api/modules.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"

#include <lauxlib.h>
#include <string.h>
#include <strings.h>

enum { CONN = 1, ANSWER, HEADERS, BODY };

void api_http_check_due(lua_State *L, const struct api_conn *self, const char *call) {
  if (self->is_websocket) {
    luaL_error(L,
               "%s answers requests, and this connection is a WebSocket by now: write "
               "conn:send_message(message)",
               call);
  }
  if (!api_requests_of(self)) {
    luaL_error(L,
               "%s answers requests, and this connection has none: the service needs "
               "frame = \"http\"",
               call);
  }
  if (self->more->http.phase == HTTP_DUE) return;
  luaL_error(L,
             self->more->http.phase == HTTP_IDLE
                 ? "there is no request that %s could answer"
                 : "the request is answered already: %s comes too late",
             call);
}

static bool has_no_body(unsigned status) {
  return status == 204 || status == 304;
}

/* What is said of an answer that was returned has no line but that of its handler. NULL: it has its own. */
static const char *handler_of(lua_State *L, const struct http_answer *answer) {
  const struct service *service = &version_of(L)->service;
  if (!answer->is_returned || !service_has(service, HANDLER_ON_REQUEST)) return NULL;
  return api_push_handler_place(L, HANDLER_ON_REQUEST);
}

static const char *where_of(lua_State *L, const struct http_answer *answer) {
  const char *handler = handler_of(L, answer);
  return handler ? lua_pushfstring(L, "%s returned no answer: ", handler) : "";
}

static bool conn_drains(const struct api_conn *self) {
  return self->runtime->draining || self->cohort->version->drain;
}

/* --- What the script says --------------------------------------------------------------------- */

static void read_status(lua_State *L, struct http_answer *answer, int index) {
  int is_integer;
  lua_Integer status = lua_tointegerx(L, index, &is_integer);
  if (!is_integer || lua_type(L, index) != LUA_TNUMBER || status < 200 || status > 999) {
    luaL_error(L, "%sstatus is %s: write a number from 200 to 599, such as 404",
               where_of(L, answer), luaL_tolstring(L, index, NULL));
  }
  answer->status = (unsigned)status;
}

static void read_body_list(lua_State *L, struct http_answer *answer) {
  const char *handler = handler_of(L, answer);
  api_check_list(L, BODY, handler ? lua_pushfstring(L, "body of %s", handler) : "respond");
  lua_settop(L, BODY);
  answer->size = api_list_size(L, BODY);
}

static void read_body(lua_State *L, struct http_answer *answer) {
  size_t size = 0;
  switch (answer->body_type = lua_type(L, BODY)) {
    case LUA_TNIL: break;
    case LUA_TNUMBER:
    case LUA_TSTRING:
      lua_tolstring(L, BODY, &size);
      answer->size = size;
      break;
    case LUA_TTABLE: read_body_list(L, answer); break;
    case LUA_TFUNCTION: break;
    default:
      luaL_error(L, "%sbody is a %s: write a string, a list of strings, or function(write) … end",
                 where_of(L, answer), luaL_typename(L, BODY));
  }
}

/* The fields of the table at ANSWER; HEADERS and BODY are nil so far. */
static void read_table(lua_State *L, struct http_answer *answer) {
  for (lua_pushnil(L); lua_next(L, ANSWER);) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "status") == 0) {
      read_status(L, answer, -1);
      lua_pop(L, 1);
    } else if (strcmp(name, "headers") == 0) {
      lua_replace(L, HEADERS);
    } else if (strcmp(name, "body") == 0) {
      lua_replace(L, BODY);
    } else {
      luaL_error(L, "%san answer has no field '%s': there are status, headers and body",
                 where_of(L, answer), luaL_tolstring(L, -2, NULL));
    }
  }
}

static void read_answer(lua_State *L, struct http_answer *answer) {
  lua_settop(L, ANSWER);
  lua_pushnil(L);
  lua_pushnil(L);
  answer->status = 200;
  switch (lua_type(L, ANSWER)) {
    case LUA_TTABLE: read_table(L, answer); break;
    case LUA_TSTRING:
      answer->is_text = true;
      lua_pushvalue(L, ANSWER);
      lua_replace(L, BODY);
      break;
    case LUA_TNUMBER:
      read_status(L, answer, ANSWER);
      answer->is_text = true;
      if (has_no_body(answer->status)) break;
      lua_pushfstring(L, "%d %s\n", (int)answer->status, http_reason(answer->status));
      lua_replace(L, BODY);
      break;
    default:
      luaL_error(L,
                 "%sthe answer is a %s: write { status = 200, headers = { … }, body = … }, a "
                 "string, or a status",
                 where_of(L, answer), luaL_typename(L, ANSWER));
  }
  read_body(L, answer);
  if (!has_no_body(answer->status)) return;
  answer->is_text = false;
  if (answer->size > 0 || answer->body_type == LUA_TFUNCTION) {
    luaL_error(L, "%san answer with status %d has no body: leave it out", where_of(L, answer),
               (int)answer->status);
  }
}

/* --- Fields ---------------------------------------------------------------------------------- */

static bool has_word(const char *value, const char *word) {
  size_t size = strlen(word);
  for (; *value; value += strcspn(value, ",")) {
    value += strspn(value, ", \t");
    size_t length = strcspn(value, ", \t");
    if (length == size && strncasecmp(value, word, size) == 0) return true;
  }
  return false;
}

static void read_length(lua_State *L, struct http_answer *answer, const char *value) {
  size_t digits = strspn(value, "0123456789");
  if (digits == 0 || digits > 15 || value[digits]) {
    luaL_error(L, "%scontent-length is %s, which is no number of bytes", where_of(L, answer),
               value);
  }
  answer->length = 0;
  for (; *value; value++) answer->length = answer->length * 10 + (uint64_t)(*value - '0');
  answer->has_length = true;
}

/* Fields by which the end of a body is known, and whether another answer follows: true when it is one of
 * them, and does not stand in the head as the script has it. */
static bool is_framing(lua_State *L, struct http_answer *answer, const char *name, size_t size,
                       const char *value) {
  if (size == 10 && strcasecmp(name, "connection") == 0) {
    answer->closes |= has_word(value, "close");
    return true;
  }
  if (size == 14 && strcasecmp(name, "content-length") == 0) {
    read_length(L, answer, value);
    return true;
  }
  if (size == 17 && strcasecmp(name, "transfer-encoding") == 0) {
    if (strcasecmp(value, "chunked") != 0) {
      luaL_error(L, "%stransfer-encoding is '%s': the core frames the body; leave it out",
                 where_of(L, answer), value);
    }
    return true;
  }
  if (size == 4 && strcasecmp(name, "date") == 0) answer->has_date = true;
  return false;
}

/* The value on top. */
static void add_field(lua_State *L, struct http_answer *answer, const char *name,
                      size_t name_size) {
  size_t size;
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    luaL_error(L,
               "%sthe header '%s' is a %s: write a string, a number, or a list of them for one "
               "field each",
               where_of(L, answer), name, luaL_typename(L, -1));
  }
  const char *value = lua_tolstring(L, -1, &size);
  if (!http_is_value(value, size)) {
    luaL_error(L, "%sthe header '%s' has a control character in its value, such as a line break",
               where_of(L, answer), name);
  }
  if (is_framing(L, answer, name, name_size, value)) return;
  http_text_add(L, answer->text, name, name_size);
  http_text_add(L, answer->text, ": ", 2);
  http_text_add(L, answer->text, value, size);
  http_text_add(L, answer->text, "\r\n", 2);
}

/* The name below the value on top. */
static void add_fields(lua_State *L, struct http_answer *answer) {
  size_t size;
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &size) : NULL;
  if (!name || !http_is_token(name, size)) {
    luaL_error(L, "%s'%s' is no name of a header: headers are written { [\"content-type\"] = … }",
               where_of(L, answer), luaL_tolstring(L, -2, NULL));
    return; /* never: it raised */
  }
  if (lua_type(L, -1) != LUA_TTABLE) {
    /* A number becomes a string where it is read: in a copy. */
    lua_pushvalue(L, -1);
    add_field(L, answer, name, size);
    lua_pop(L, 1);
    return;
  }
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    add_field(L, answer, name, size);
    lua_pop(L, 1);
  }
}

/* Those that came with another message, as a proxy hands them on. */
static void add_fields_of(lua_State *L, struct http_answer *answer,
                          const struct http_message *message) {
  struct http_span name, value;
  size_t at = 0;
  while (http_next_field(message->bytes, &message->head, &at, &name, &value)) {
    const char *text = lua_pushlstring(L, message->bytes + name.at, name.size);
    lua_pushlstring(L, message->bytes + value.at, value.size);
    add_field(L, answer, text, name.size);
    lua_pop(L, 2);
  }
}

static void add_headers(lua_State *L, struct http_answer *answer) {
  const struct http_message *message = api_message_of_headers(L, HEADERS);
  if (message) {
    add_fields_of(L, answer, message);
  } else if (lua_type(L, HEADERS) == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, HEADERS); lua_pop(L, 1)) add_fields(L, answer);
  } else if (!lua_isnil(L, HEADERS)) {
    luaL_error(L,
               "%sheaders is a %s: write a table, such as { [\"content-type\"] = \"text/html\" }",
               where_of(L, answer), luaL_typename(L, HEADERS));
  }
}

/* --- The head -------------------------------------------------------------------------------- */

static void add_status_line(lua_State *L, struct http_answer *answer) {
  char line[16] = "HTTP/1.1 000 ";
  const char *reason = http_reason(answer->status);
  line[9] = (char)('0' + answer->status / 100);
  line[10] = (char)('0' + answer->status / 10 % 10);
  line[11] = (char)('0' + answer->status % 10);
  http_text_add(L, answer->text, line, 13);
  http_text_add(L, answer->text, reason, strlen(reason));
  http_text_add(L, answer->text, "\r\n", 2);
}

static void add_length(lua_State *L, struct http_answer *answer, uint64_t size) {
  static const char name[] = "Content-Length: ";
  http_text_add(L, answer->text, name, sizeof name - 1);
  http_text_add_number(L, answer->text, size);
  http_text_add(L, answer->text, "\r\n", 2);
}

/* How the end of the body is known. */
static void add_framing(lua_State *L, const struct api_conn *self, struct http_answer *answer) {
  static const char chunked[] = "Transfer-Encoding: chunked\r\n";
  bool streams = answer->body_type == LUA_TFUNCTION;
  bool is_bare = has_no_body(answer->status) || self->more->http.to_head;
  if (answer->has_length && answer->is_endless) {
    luaL_error(L, "events have no end that is known, and no content-length: leave it out");
  }
  if (answer->has_length && !streams && answer->length != answer->size &&
      !(is_bare && answer->size == 0)) {
    luaL_error(L, "%scontent-length does not agree with the body; leave it out, the core knows it",
               where_of(L, answer));
  }
  if (answer->has_length) {
    if (answer->status != 204) add_length(L, answer, answer->length);
  } else if (!streams) {
    if (!has_no_body(answer->status)) add_length(L, answer, answer->size);
  } else if (!self->more->http.is_old) {
    answer->is_chunked = true;
    http_text_add(L, answer->text, chunked, sizeof chunked - 1);
  } else {
    answer->closes = true;
  }
}

/* A body that is left unread must be skipped before the next request: if that is too much, it is not. */
static bool leaves_too_much(const struct api_conn *self) {
  const struct http_incoming *incoming = self->more->http.incoming;
  if (!incoming) return false;
  return self->more->http.awaits_continue ||
         (incoming->body.framing == HTTP_BY_LENGTH && incoming->body.left > HTTP_SKIP_BYTES_MAX);
}

static void add_connection(lua_State *L, struct api_conn *self, struct http_answer *answer) {
  static const char closes[] = "Connection: close\r\n", keeps[] = "Connection: keep-alive\r\n";
  struct http_turn *turn = &self->more->http;
  if (answer->closes || leaves_too_much(self) || conn_drains(self)) turn->keeps_alive = false;
  if (!turn->keeps_alive) {
    http_text_add(L, answer->text, closes, sizeof closes - 1);
  } else if (turn->is_old) {
    http_text_add(L, answer->text, keeps, sizeof keeps - 1);
  }
}

static void write_head(lua_State *L, struct api_conn *self, struct http_answer *answer) {
  static const char text_type[] = "Content-Type: text/plain; charset=utf-8\r\n";
  answer->text = http_text_of(L, self->runtime);
  add_status_line(L, answer);
  add_headers(L, answer);
  if (!answer->has_date)
    http_text_add(L, answer->text, api_http_date(self->runtime), HTTP_DATE_BYTES);
  if (answer->is_text) http_text_add(L, answer->text, text_type, sizeof text_type - 1);
  add_framing(L, self, answer);
  add_connection(L, self, answer);
  http_text_add(L, answer->text, "\r\n", 2);
}

/* --- Sending --------------------------------------------------------------------------------- */

static int send_body(lua_State *L, const struct api_conn *self, const struct http_answer *answer) {
  const struct http_text *text = answer->text;
  int rc = conn_send_copied(self->conn, text->bytes, text->size);
  if (rc < 0 || answer->size == 0 || answer->body_is_sent || self->more->http.to_head) return rc;
  return answer->body_type == LUA_TTABLE ? api_send_pieces(L, self, BODY)
                                         : api_send_piece(L, self, BODY);
}

/* A short body goes out with its head, as one piece. */
static void join_body(lua_State *L, const struct api_conn *self, struct http_answer *answer) {
  bool is_short = answer->size > 0 && answer->size < SEND_BORROWED_BYTES_MIN;
  if (!is_short || answer->body_type == LUA_TTABLE || self->more->http.to_head) return;
  http_text_add(L, answer->text, lua_tostring(L, BODY), (size_t)answer->size);
  answer->body_is_sent = true;
}

/* What is left of a handler's coroutine that raises is no answer: nothing raises behind this. */
static int send_answer(lua_State *L, struct api_conn *self, struct http_answer *answer) {
  join_body(L, self, answer);
  int rc = conn_send_begin(self->conn);
  if (rc == 0) rc = send_body(L, self, answer);
  if (rc < 0) return rc;
  if (api_is_told(self->runtime, EVENT_SEND)) {
    bool adds = !answer->body_is_sent && !self->more->http.to_head;
    api_tell_send(L, self->conn, answer->text->size + (adds ? (size_t)answer->size : 0));
  }
  return 0;
}

int api_http_begin_answer(lua_State *L, struct api_conn *self, struct http_answer *answer) {
  read_answer(L, answer);
  write_head(L, self, answer);
  return send_answer(L, self, answer);
}

int api_http_respond(lua_State *L, struct api_conn *self, bool is_returned, lua_KFunction k) {
  struct http_answer answer = {.is_returned = is_returned};
  if (!self->conn || conn_is_closing(self->conn)) return k(L, LUA_OK, 0);
  int rc = api_http_begin_answer(L, self, &answer);
  if (rc < 0) return k(L, LUA_OK, 0);
  if (answer.body_type == LUA_TFUNCTION && !self->more->http.to_head) {
    lua_pushvalue(L, BODY);
    lua_replace(L, ANSWER);
    lua_settop(L, ANSWER);
    return api_http_stream(L, self, &answer, k);
  }
  api_http_answered(self);
  return k(L, LUA_OK, 0);
}

int api_http_no_answer(lua_State *L, const char *what) {
  const struct http_answer answer = {.is_returned = true};
  return luaL_error(L,
                    "%s%s; write return { status = 200, body = … }, a string or a status, or call "
                    "conn:respond{ … }",
                    where_of(L, &answer), what);
}

/* --- conn:respond ---------------------------------------------------------------------------- */

static int responded(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct api_conn *self = lua_touserdata(L, CONN);
  if (!self->conn || self->more->http.phase != HTTP_ANSWERED) return api_push_closed(L);
  if (self->handler == HANDLER_MAIN && api_http_is_full(self)) return api_drain(L, self);
  return api_push_true(L);
}

/* conn:respond(answer) -> true | nil, "closed" */
static int l_respond(lua_State *L) {
  struct api_conn *self = api_check_conn(L, CONN);
  luaL_checkany(L, ANSWER);
  api_check_count(L, 2, "an answer is one table: { status =, headers =, body = }");
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  api_http_check_due(L, self, "conn:respond");
  return api_http_respond(L, self, false, responded);
}

const luaL_Reg api_http_methods[] = {
    {"respond", l_respond},
    {"events", api_http_events},
    {NULL, NULL},
};
