/* api/websocket_functions.c — conn:ping(), and what moonport/websocket.lua stands
 * on — does not connect, and does not judge an answer. */
#include "api/arguments.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "base/blob.h"
#include "base/http.h"

#include <lauxlib.h>
#include <string.h>

/* conn:ping([payload]) -> true | nil, "closed" */
static int l_conn_ping(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  size_t size;
  const char *payload = luaL_optlstring(L, 2, "", &size);
  api_check_count(L, 2, NULL);
  luaL_argcheck(L, size <= WEBSOCKET_CONTROL_BYTES_MAX, 2, "is longer than 125 bytes");
  if (!self->is_websocket) return luaL_error(L, "ping: this connection is no WebSocket");
  if (!api_websocket_is_open(self)) return api_push_closed(L);
  if (api_websocket_send(self, WEBSOCKET_PING, payload, size) < 0) return api_push_closed(L);
  return api_push_true(L);
}

/* --- For moonport/websocket.lua ------------------------------------------------------------ */

/* begin(conn [, deflates]) -> conn | nil, "closed": it speaks WebSocket from now on */
static int l_begin(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  const struct websocket_terms terms = {.window_bits = lua_toboolean(L, 2) ? 15 : 0};
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  luaL_argcheck(L, !self->more->websocket, 1, "is a WebSocket already");
  api_need_inbox(L, self);
  if (!api_websocket_begin(self, &terms)) return luaL_error(L, "not enough memory");
  lua_pushvalue(L, 1);
  return 1;
}

/* Pushes a name in lower case. */
static void push_lower(lua_State *L, const char *bytes, size_t size) {
  luaL_Buffer buffer;
  char *lower = luaL_buffinitsize(L, &buffer, size);
  for (size_t i = 0; i < size; i++) {
    lower[i] = (char)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] | 0x20 : bytes[i]);
  }
  luaL_pushresultsize(&buffer, size);
}

/* Those of one name are joined by ", ". */
static void push_fields(lua_State *L, const char *bytes, const struct http_head *head) {
  size_t at = 0;
  struct http_span name, value;
  lua_newtable(L);
  while (http_next_field(bytes, head, &at, &name, &value)) {
    push_lower(L, bytes + name.at, name.size);
    lua_pushvalue(L, -1);
    bool is_first = lua_rawget(L, -3) == LUA_TNIL;
    if (is_first) lua_pop(L, 1);
    if (!is_first) lua_pushliteral(L, ", ");
    lua_pushlstring(L, bytes + value.at, value.size);
    if (!is_first) lua_concat(L, 3);
    lua_rawset(L, -3);
  }
}

/* read_answer(head) -> status, reason, headers | nil, what is wrong with it */
static int l_read_answer(lua_State *L) {
  size_t size, scanned = 0;
  const char *bytes = luaL_checklstring(L, 1, &size);
  const struct http_limits limits = {.head_bytes_max = size};
  struct http_head head = {0};
  if (http_read_response(&limits, &scanned, bytes, size, false, &head) != HTTP_HEAD) {
    luaL_pushfail(L);
    lua_pushstring(L, head.fault ? head.fault : "the answer is no HTTP");
    return 2;
  }
  lua_pushinteger(L, head.status);
  lua_pushlstring(L, bytes + head.reason.at, head.reason.size);
  push_fields(L, bytes, &head);
  return 3;
}

/* is_field(name, value) -> whether a head may have it */
static int l_is_field(lua_State *L) {
  size_t name_size, value_size;
  const char *name = luaL_checklstring(L, 1, &name_size);
  const char *value = luaL_checklstring(L, 2, &value_size);
  lua_pushboolean(L, http_is_token(name, name_size) && http_is_value(value, value_size));
  return 1;
}

const luaL_Reg api_websocket_methods[] = {{"ping", l_conn_ping}, {NULL, NULL}};
const luaL_Reg api_websocket_functions[] = {
    {"begin", l_begin}, {"read_answer", l_read_answer}, {"is_field", l_is_field}, {NULL, NULL}};
