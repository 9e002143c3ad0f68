/* api/http_stream.c — answers that are made bit by bit: body = function(write), conn:events() — does not
 * put heads together.
 *
 * Each has a number, and what was given to a script for it does nothing once that answer has ended. Whose
 * handler raises on the way is told by receive_http.c: the peer must not take half an answer for one. */
#include "api/http.h"
#include "api/http_text.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"

#include <lauxlib.h>
#include <string.h>

static const char events_type[] = "moonport.events";

/* The payload of what writes: an upvalue of write(), or the object of events. */
struct http_stream {
  struct api_conn *conn; /* kept by the user value */
  uint32_t serial;       /* of the answer that it belongs to */
  bool is_chunked;
  bool has_length;
  uint64_t left; /* of that */
};

/* Pushes one for the answer of which the head has just been queued. Raises. */
static struct http_stream *push_stream(lua_State *L, struct api_conn *self,
                                       const struct http_answer *answer, enum http_phase phase) {
  struct http_stream *stream = lua_newuserdatauv(L, sizeof *stream, 1);
  self->more->http.serial++;
  self->more->http.phase = (uint8_t)phase;
  *stream = (struct http_stream){.conn = self,
                                 .serial = self->more->http.serial,
                                 .is_chunked = answer->is_chunked,
                                 .has_length = answer->has_length,
                                 .left = answer->length};
  api_push_conn(L, self);
  lua_setiuservalue(L, -2, 1);
  return stream;
}

static bool is_under_way(const struct http_stream *stream, enum http_phase phase) {
  const struct api_conn *self = stream->conn;
  return self->conn && !conn_is_closing(self->conn) && self->more->http.serial == stream->serial &&
         self->more->http.phase == phase;
}

/* Queues the string at `index`, which is not empty, as the next piece. 0 or UV_E*. Raises. */
static int send_piece(lua_State *L, struct http_stream *stream, int index) {
  const struct api_conn *self = stream->conn;
  size_t size = (size_t)lua_rawlen(L, index);
  int rc = conn_send_begin(self->conn);
  if (rc == 0 && stream->is_chunked) {
    struct http_text *text = http_text_of(L, self->runtime);
    http_text_add_hex(L, text, size);
    http_text_add(L, text, "\r\n", 2);
    rc = conn_send_copied(self->conn, text->bytes, text->size);
  }
  if (rc == 0) rc = api_send_piece(L, self, index);
  if (rc == 0 && stream->is_chunked) rc = conn_send_copied(self->conn, "\r\n", 2);
  if (rc == 0 && api_is_told(self->runtime, EVENT_SEND)) api_tell_send(L, self->conn, size);
  return rc;
}

static void send_end(const struct http_stream *stream) {
  static const char last[] = "0\r\n\r\n";
  struct conn *conn = stream->conn->conn;
  if (stream->is_chunked && conn_send_begin(conn) == 0) {
    conn_send_copied(conn, last, sizeof last - 1);
  }
}

/* --- body = function(write) … end ------------------------------------------------------------ */

enum { CONN = 1, FUNCTION, STREAM };

static void check_length(lua_State *L, struct http_stream *stream, size_t size) {
  if (!stream->has_length) return;
  if (size > stream->left) luaL_error(L, "the body is longer than its content-length");
  stream->left -= size;
}

/* write(data) -> true | nil, "closed". Upvalue 1: the stream */
static int l_write(lua_State *L) {
  struct http_stream *stream = lua_touserdata(L, lua_upvalueindex(1));
  size_t size;
  luaL_checklstring(L, 1, &size);
  api_check_count(L, 1, NULL);
  lua_tostring(L, 1); /* a number becomes a string */
  if (!is_under_way(stream, HTTP_STREAMING)) return api_push_closed(L);
  check_length(L, stream, size);
  if (size > 0 && send_piece(L, stream, 1) < 0) return api_push_closed(L);
  lua_getiuservalue(L, lua_upvalueindex(1), 1);
  lua_replace(L, CONN);
  return api_drain(L, stream->conn);
}

/* What is wrong with a body as a whole has no line but that of its function. */
static int body_fault(lua_State *L, const char *what) {
  lua_Debug function;
  lua_pushvalue(L, FUNCTION);
  lua_getinfo(L, ">S", &function);
  return luaL_error(L, "body (%s:%d) %s", function.short_src, function.linedefined, what);
}

/* What the function returned was meant to be the body. What write() returned is nobody's. */
static void check_result(lua_State *L, const struct http_stream *stream) {
  int type = lua_type(L, STREAM + 2);
  if (type == LUA_TSTRING || type == LUA_TTABLE) {
    body_fault(L, lua_pushfstring(L, "returned a %s, which would be dropped: write(data) sends",
                                  lua_typename(L, type)));
  }
  if (stream->has_length && stream->left > 0) {
    body_fault(L, lua_pushfstring(L, "is shorter than its content-length, by %I bytes",
                                  (lua_Integer)stream->left));
  }
}

/* The script's function has returned. */
static int streamed(lua_State *L, int status, lua_KContext context) {
  (void)status;
  lua_KFunction k = *(lua_KFunction *)lua_touserdata(L, STREAM + 1);
  (void)context;
  struct http_stream *stream = lua_touserdata(L, STREAM);
  struct api_conn *self = stream->conn;
  if (is_under_way(stream, HTTP_STREAMING)) {
    check_result(L, stream);
    send_end(stream);
    api_http_answered(self);
  }
  lua_settop(L, FUNCTION);
  return k(L, LUA_OK, 0);
}

int api_http_stream(lua_State *L, struct api_conn *self, const struct http_answer *answer,
                    lua_KFunction k) {
  push_stream(L, self, answer, HTTP_STREAMING);
  memcpy(lua_newuserdatauv(L, sizeof k, 0), &k, sizeof k);
  lua_pushvalue(L, FUNCTION);
  lua_pushvalue(L, STREAM);
  lua_pushcclosure(L, l_write, 1);
  lua_callk(L, 1, 1, 0, streamed);
  return streamed(L, LUA_OK, 0);
}

/* --- Server-sent events ---------------------------------------------------------------------- */

/* { status = 200, headers = … } for the headers at 2, or none, in their place. */
static void push_answer(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_newtable(L);
  if (lua_istable(L, 2)) {
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
  }
  lua_pushliteral(L, "text/event-stream");
  lua_setfield(L, -2, "content-type");
  lua_pushliteral(L, "no-cache");
  lua_setfield(L, -2, "cache-control");
  lua_pushliteral(L, "close");
  lua_setfield(L, -2, "connection");
  lua_setfield(L, -2, "headers");
  lua_pushcfunction(L, api_http_events); /* in place of a body that is to come */
  lua_setfield(L, -2, "body");
  lua_replace(L, 2);
}

/* conn:events([headers]) -> events | nil, "closed" */
int api_http_events(lua_State *L) {
  struct api_conn *self = api_check_conn(L, CONN);
  struct http_answer answer = {.is_endless = true};
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  api_check_count(L, 2, NULL);
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  api_http_check_due(L, self, "conn:events");
  lua_settop(L, 2);
  push_answer(L);
  if (api_http_begin_answer(L, self, &answer) < 0) return api_push_closed(L);
  struct http_stream *stream = push_stream(L, self, &answer, HTTP_EVENTS);
  luaL_setmetatable(L, events_type);
  self->more->http.keeps_alive = false;
  if (!self->more->http.to_head) return 1;
  stream->is_chunked = false;
  api_http_answered(self);
  return 1;
}

/* "name: value", of a value that is one line. */
static void add_line(lua_State *L, struct http_text *text, const char *name, const char *value,
                     size_t size) {
  http_text_add(L, text, name, strlen(name));
  http_text_add(L, text, ": ", 2);
  http_text_add(L, text, value, size);
  http_text_add(L, text, "\n", 1);
}

/* A line each, for CR, LF and CRLF end one. */
static void add_lines(lua_State *L, struct http_text *text, const char *name, const char *value,
                      size_t size) {
  const char *end = value + size;
  for (;;) {
    const char *at = value;
    while (at < end && *at != '\n' && *at != '\r') at++;
    add_line(L, text, name, value, (size_t)(at - value));
    if (at == end) return;
    value = at + (*at == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1);
  }
}

/* One of the fields of an event, which the string or number on top is. */
static void add_event_field(lua_State *L, struct http_text *text, const char *name) {
  size_t size;
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    luaL_error(L, "%s of an event is a %s, not a string", name, luaL_typename(L, -1));
  }
  const char *value = lua_tolstring(L, -1, &size);
  if (strcmp(name, "data") == 0) {
    add_lines(L, text, name, value, size);
    return;
  }
  if (memchr(value, '\n', size) || memchr(value, '\r', size) || memchr(value, 0, size)) {
    luaL_error(L, "%s of an event has a line break or a NUL in it", name);
  }
  add_line(L, text, name, value, size);
}

static void add_event(lua_State *L, struct http_text *text) {
  static const char *const names[] = {"event", "id", "retry", "data"};
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    bool is_known = false;
    for (int i = 0; i < 4; i++) is_known |= strcmp(names[i], name) == 0;
    if (is_known) continue;
    luaL_error(L, "an event has no field '%s': there are event, id, data and retry",
               luaL_tolstring(L, -2, NULL));
  }
  for (int i = 0; i < 4; i++) {
    if (lua_getfield(L, 2, names[i]) != LUA_TNIL) add_event_field(L, text, names[i]);
    lua_pop(L, 1);
  }
}

/* Sends what has been put together, as one event. */
static int send_event(lua_State *L, struct http_stream *stream, struct http_text *text) {
  http_text_add(L, text, "\n", 1);
  if (!is_under_way(stream, HTTP_EVENTS)) return api_push_closed(L);
  lua_pushlstring(L, text->bytes, text->size);
  if (send_piece(L, stream, lua_gettop(L)) < 0) return api_push_closed(L);
  return api_push_true(L);
}

static struct http_stream *check_events(lua_State *L) {
  return luaL_checkudata(L, 1, events_type);
}

/* events:send(text or { event =, id =, data =, retry = }) -> true | nil, "closed" */
static int l_events_send(lua_State *L) {
  struct http_stream *stream = check_events(L);
  api_check_count(L, 2, "an event with a name is { event =, id =, data =, retry = }");
  if (lua_type(L, 2) != LUA_TTABLE) luaL_checkstring(L, 2);
  struct http_text *text = http_text_of(L, stream->conn->runtime);
  if (lua_istable(L, 2)) {
    add_event(L, text);
  } else {
    size_t size;
    const char *value = lua_tolstring(L, 2, &size);
    add_lines(L, text, "data", value, size);
  }
  return send_event(L, stream, text);
}

/* events:comment([text]) -> true | nil, "closed": a line that says nothing, and keeps proxies awake */
static int l_events_comment(lua_State *L) {
  struct http_stream *stream = check_events(L);
  size_t size;
  const char *value = luaL_optlstring(L, 2, "", &size);
  api_check_count(L, 2, NULL);
  struct http_text *text = http_text_of(L, stream->conn->runtime);
  add_lines(L, text, "", value, size);
  return send_event(L, stream, text);
}

/* events:close() -> true | nil, "closed" */
static int l_events_close(lua_State *L) {
  struct http_stream *stream = check_events(L);
  api_check_count(L, 1, NULL);
  if (!is_under_way(stream, HTTP_EVENTS)) return api_push_closed(L);
  send_end(stream);
  api_http_answered(stream->conn);
  return api_push_true(L);
}

static const luaL_Reg methods[] = {{"send", l_events_send},
                                   {"comment", l_events_comment},
                                   {"close", l_events_close},
                                   {NULL, NULL}};

const struct api_type api_events_type = {
    .name = events_type, .methods = methods, .closer = "close"};
