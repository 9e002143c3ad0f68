/* api/http_request.c — a request or a response as its script sees it: what its head says — does not know
 * how it came.
 *
 * The object owns a copy of its head, in one piece, and looks up there what is asked for: most handlers
 * want two fields of twenty. What it makes of them is kept in a table, together with the script's own
 * fields, once there is something to keep. */
#include "api/codec.h"
#include "api/http.h"

#include "api/runtime.h"
#include "api/values.h"
#include "base/percent.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

static const char request_type[] = "moonport.request", response_type[] = "moonport.response",
                  headers_type[] = "moonport.headers";
/* Registry keys of the metatables: quicker than their names. */
static const char request_key = 0, response_key = 0, headers_key = 0;

enum { USER_CONN = 1, USER_BODY, USER_FIELDS, USER_COUNT = USER_FIELDS };
enum { NAME_BYTES_MAX = 256 }; /* of a field, as a script asks for it */

struct http_message *api_check_message(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TUSERDATA && lua_rawlen(L, index) >= sizeof(struct http_message)) {
    struct http_message *message = lua_touserdata(L, index);
    if (message->type == request_type || message->type == response_type) return message;
  }
  return luaL_checkudata(L, index, request_type); /* raises, in the usual words */
}

static const char *span_bytes(const struct http_message *message, struct http_span span) {
  return message->bytes + span.at;
}

static void push_span(lua_State *L, const struct http_message *message, struct http_span span) {
  lua_pushlstring(L, span_bytes(message, span), span.size);
}

/* --- Made ------------------------------------------------------------------------------------ */

static struct http_message *push_message(lua_State *L, struct api_conn *self,
                                         const struct http_next *next, const char *type,
                                         const void *metatable) {
  struct http_message *message =
      lua_newuserdatauv(L, sizeof *message + next->head.size, USER_COUNT);
  message->type = type;
  message->conn = self;
  message->head = next->head;
  message->body = HTTP_BODY_WHOLE;
  memcpy(message->bytes, next->bytes, next->head.size);
  lua_rawgetp(L, LUA_REGISTRYINDEX, metatable);
  lua_setmetatable(L, -2);
  api_push_conn(L, self);
  lua_setiuservalue(L, -2, USER_CONN);
  if (next->body_size > 0) {
    lua_pushlstring(L, next->body, next->body_size);
    lua_setiuservalue(L, -2, USER_BODY);
  }
  api_http_taken(self, next);
  if (!next->is_part) return message;
  struct http_incoming *incoming = api_http_begin_body(self, &next->head);
  if (!incoming) luaL_error(L, "not enough memory");
  if (incoming) incoming->message = message;
  message->body = HTTP_BODY_COMING;
  return message;
}

void api_push_request(lua_State *L, struct api_conn *self, const struct http_next *next) {
  const struct http_head *head = &next->head;
  struct http_turn *turn = &self->more->http;
  conn_greeted(self->conn);
  turn->phase = HTTP_DUE;
  turn->is_old = head->minor == 0;
  turn->to_head = head->method.size == 4 && memcmp(next->bytes + head->method.at, "HEAD", 4) == 0;
  turn->awaits_continue = next->is_part && head->expects_continue;
  turn->keeps_alive =
      false; /* until it is there: when memory is out, this one must not come again */
  push_message(L, self, next, request_type, &request_key);
  turn->keeps_alive = head->keeps_alive;
}

void api_push_response(lua_State *L, struct api_conn *self, const struct http_next *next) {
  push_message(L, self, next, response_type, &response_key);
}

/* --- Headers --------------------------------------------------------------------------------- */

/* Puts the further fields of that name behind the value on top. */
static void join_more(lua_State *L, const struct http_message *message, size_t at,
                      const char *name) {
  const char *separator = strcmp(name, "cookie") == 0 ? "; " : ", ";
  struct http_span value;
  size_t name_size = strlen(name);
  luaL_Buffer buffer;
  if (!http_find_field(message->bytes, &message->head, &at, name, name_size, &value)) return;
  size_t first_size;
  const char *first = lua_tolstring(L, -1, &first_size);
  luaL_buffinit(L, &buffer);
  luaL_addlstring(&buffer, first, first_size);
  do {
    luaL_addstring(&buffer, separator);
    luaL_addlstring(&buffer, span_bytes(message, value), value.size);
  } while (http_find_field(message->bytes, &message->head, &at, name, name_size, &value));
  luaL_pushresult(&buffer);
  lua_remove(L, -2);
}

void api_push_header(lua_State *L, const struct http_message *message, const char *name) {
  struct http_span value;
  size_t at = 0;
  if (!http_find_field(message->bytes, &message->head, &at, name, strlen(name), &value)) {
    lua_pushnil(L);
    return;
  }
  push_span(L, message, value);
  join_more(L, message, at, name);
}

static const struct http_message *message_of(lua_State *L, int headers) {
  lua_getiuservalue(L, headers, 1);
  const struct http_message *message = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return message;
}

const struct http_message *api_message_of_headers(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &headers_key);
  bool is_one = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_one ? message_of(L, index) : NULL;
}

/* False when it is too long to be the name of one. */
static bool lower_name(const char *name, size_t size, char out[NAME_BYTES_MAX]) {
  if (size >= NAME_BYTES_MAX || memchr(name, 0, size)) return false;
  for (size_t i = 0; i < size; i++) out[i] = (char)tolower((unsigned char)name[i]);
  out[size] = 0;
  return true;
}

/* headers[name] */
static int l_headers_index(lua_State *L) {
  size_t size;
  char lower[NAME_BYTES_MAX];
  const struct http_message *message = message_of(L, 1);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &size) : NULL;
  if (name && lower_name(name, size, lower)) {
    api_push_header(L, message, lower);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static int l_headers_newindex(lua_State *L) {
  return luaL_error(L, "these headers are what came: put yours into a table of your own");
}

/* Whether a field of that name stands before the one that ends at `end`. */
static bool came_before(const struct http_message *message, size_t end, const char *lower) {
  struct http_span value;
  size_t at = 0;
  return http_find_field(message->bytes, &message->head, &at, lower, strlen(lower), &value) &&
         at < end;
}

/* What pairs() calls. Upvalue 1: where the next field is looked for; 2: the request or response. Each name
 * comes once, with all that came of it, but each Set-Cookie for itself: those cannot be joined. */
static int l_headers_next(lua_State *L) {
  const struct http_message *message = lua_touserdata(L, lua_upvalueindex(2));
  size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(1));
  struct http_span name, value;
  char lower[NAME_BYTES_MAX];
  while (http_next_field(message->bytes, &message->head, &at, &name, &value)) {
    lua_pushinteger(L, (lua_Integer)at);
    lua_replace(L, lua_upvalueindex(1));
    if (!lower_name(span_bytes(message, name), name.size, lower)) continue;
    bool joins = strcmp(lower, "set-cookie") != 0;
    if (joins && came_before(message, at, lower)) continue;
    lua_pushstring(L, lower);
    push_span(L, message, value);
    if (joins) join_more(L, message, at, lower);
    return 2;
  }
  lua_pushnil(L);
  return 1;
}

static int l_headers_pairs(lua_State *L) {
  lua_pushinteger(L, 0);
  lua_getiuservalue(L, 1, 1);
  lua_pushcclosure(L, l_headers_next, 2);
  return 1;
}

/* --- The target -------------------------------------------------------------------------------- */

static void push_path(lua_State *L, const struct http_message *message) {
  struct http_span path, query;
  http_split_target(message->bytes, &message->head, &path, &query);
  if (path.size > 0) {
    api_push_decoded(L, span_bytes(message, path), path.size, PERCENT_LENIENT);
  } else if (*span_bytes(message, message->head.target) == '*') {
    lua_pushliteral(L, "*");
  } else {
    lua_pushliteral(L, "/");
  }
}

static void push_query(lua_State *L, const struct http_message *message) {
  struct http_span path, query;
  if (http_split_target(message->bytes, &message->head, &path, &query)) {
    push_span(L, message, query);
  } else {
    lua_pushnil(L);
  }
}

static void push_parameters(lua_State *L, const struct http_message *message) {
  struct http_span path, query = {0};
  http_split_target(message->bytes, &message->head, &path, &query);
  api_push_query(L, span_bytes(message, query), query.size);
}

/* --- Fields ---------------------------------------------------------------------------------- */

static void push_headers(lua_State *L, const struct http_message *message) {
  (void)message; /* it is at 1 */
  lua_newuserdatauv(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &headers_key);
  lua_setmetatable(L, -2);
}

static void push_method(lua_State *L, const struct http_message *message) {
  push_span(L, message, message->head.method);
}

static void push_target(lua_State *L, const struct http_message *message) {
  push_span(L, message, message->head.target);
}

static void push_version(lua_State *L, const struct http_message *message) {
  lua_pushstring(L, message->head.minor ? "1.1" : "1.0");
}

static void push_status(lua_State *L, const struct http_message *message) {
  lua_pushinteger(L, message->head.status);
}

static void push_reason(lua_State *L, const struct http_message *message) {
  push_span(L, message, message->head.reason);
}

static void push_body(lua_State *L, const struct http_message *message) {
  if (message->body != HTTP_BODY_WHOLE) {
    luaL_error(L, "the body is not there as a whole: read it with %s:read()",
               message->type == request_type ? "request" : "response");
  }
  if (lua_getiuservalue(L, 1, USER_BODY) == LUA_TNIL) lua_pushliteral(L, "");
}

static void push_peer(lua_State *L, const struct http_message *message) {
  (void)message;
  lua_getiuservalue(L, 1, USER_CONN);
  lua_getfield(L, -1, "peer");
}

static const struct field {
  const char *name;
  void (*push)(lua_State *L, const struct http_message *message);
  bool of_request, of_response;
  bool is_kept; /* made once */
} fields[] = {
    {"method", push_method, true, false, false},
    {"target", push_target, true, false, false},
    {"path", push_path, true, false, false},
    {"query", push_query, true, false, false},
    {"status", push_status, false, true, false},
    {"reason", push_reason, false, true, false},
    {"version", push_version, true, true, false},
    {"body", push_body, true, true, false},
    {"peer", push_peer, true, false, false},
    {"headers", push_headers, true, true, true},
    {"parameters", push_parameters, true, false, true},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

/* Pushes the table of what is kept. */
static void push_kept(lua_State *L) {
  if (lua_getiuservalue(L, 1, USER_FIELDS) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, USER_FIELDS);
}

/* What is made once; the name is at 2. */
static void push_made_once(lua_State *L, const struct field *field,
                           const struct http_message *message) {
  push_kept(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL) return;
  field->push(L, message);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, -5);
}

/* Upvalue 1: every built-in name; its method, or the index of its field. */
static int l_index(lua_State *L) {
  const struct http_message *message = lua_touserdata(L, 1);
  lua_pushvalue(L, 2);
  switch (lua_rawget(L, lua_upvalueindex(1))) {
    case LUA_TFUNCTION: return 1;
    case LUA_TNUMBER: {
      const struct field *field = &fields[lua_tointeger(L, -1)];
      if (field->is_kept) {
        push_made_once(L, field, message);
      } else {
        field->push(L, message);
      }
      return 1;
    }
    default: break;
  }
  if (lua_getiuservalue(L, 1, USER_FIELDS) != LUA_TTABLE) return 1; /* nil */
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

static int l_newindex(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
    return luaL_error(L, "'%s' is built in and cannot be set: choose another name",
                      lua_tostring(L, 2));
  }
  push_kept(L);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

static int l_tostring(lua_State *L) {
  const struct http_message *message = api_check_message(L, 1);
  if (message->type == request_type) {
    push_method(L, message);
    push_target(L, message);
    lua_pushfstring(L, "request: %s %s", lua_tostring(L, -2), lua_tostring(L, -1));
  } else {
    push_reason(L, message);
    lua_pushfstring(L, "response: %d %s", (int)message->head.status, lua_tostring(L, -1));
  }
  return 1;
}

/* --- Types ----------------------------------------------------------------------------------- */

static void make_headers_type(lua_State *L) {
  static const luaL_Reg functions[] = {{"__index", l_headers_index},
                                       {"__newindex", l_headers_newindex},
                                       {"__pairs", l_headers_pairs},
                                       {NULL, NULL}};
  api_push_metatable(L, headers_type);
  luaL_setfuncs(L, functions, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &headers_key);
}

static void make_message_type(lua_State *L, const char *name, const void *key, bool of_request) {
  api_push_metatable(L, name);
  lua_newtable(L);
  for (int i = 0; i < FIELD_COUNT; i++) {
    if (!(of_request ? fields[i].of_request : fields[i].of_response)) continue;
    lua_pushinteger(L, i);
    lua_setfield(L, -2, fields[i].name);
  }
  lua_pushcfunction(L, api_message_read);
  lua_setfield(L, -2, "read");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -3, "__index");
  lua_pushcclosure(L, l_newindex, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, l_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void api_open_http(lua_State *L) {
  make_headers_type(L);
  make_message_type(L, request_type, &request_key, true);
  make_message_type(L, response_type, &response_key, false);
}
