/* api/http_client.c — the other side of the wire: responses on a connection that a script made itself —
 * does not send requests.
 *
 * What moonport/http.lua stands on. The body is always read piece by piece, and the connection is read
 * only while somebody waits for it. */
#include "api/http.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"

#include <lauxlib.h>
#include <string.h>

enum { CONN = 1, METHOD, HEAD_MAX };

static int push_refusal(lua_State *L, const struct http_head *head) {
  return api_push_failure(L, head->status == 431 ? "limit" : "malformed", head->fault);
}

static bool is_interim(const struct http_head *head) {
  return head->status < 200 && head->status != 101;
}

/* Reads the head of a response, behind those that only say that it will come. */
static enum http_result read_head(struct inbox *inbox, const struct http_limits *limits,
                                  const char *method, struct http_next *next) {
  for (;;) {
    size_t size;
    if (!inbox_view(inbox, &next->bytes, &size)) {
      next->head.fault = "there is no memory for it";
      return HTTP_REFUSED;
    }
    enum http_result result = http_read_response(limits, &inbox->scanned, next->bytes, size,
                                                 strcmp(method, "HEAD") == 0, &next->head);
    if (result != HTTP_HEAD || !is_interim(&next->head)) return result;
    inbox_consume(inbox, next->head.size);
  }
}

static int take_response(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  struct api_conn *self = lua_touserdata(L, CONN);
  struct http_next next = {.body = ""};
  const struct http_limits limits = {.head_bytes_max = (size_t)lua_tointeger(L, HEAD_MAX)};
  (void)bytes, (void)size; /* as the inbox shows them */
  enum http_result result = read_head(inbox, &limits, lua_tostring(L, METHOD), &next);
  if (result == HTTP_MORE) return 0;
  if (result == HTTP_REFUSED) return push_refusal(L, &next.head);
  next.consumed = next.head.size;
  next.is_part = next.head.framing != HTTP_NO_BODY;
  self->more->http.keeps_alive = next.head.keeps_alive;
  api_push_response(L, self, &next);
  return 1;
}

static const struct recv_kind response_kind = {
    .name = "receive", .take = take_response, .is_whole = true};

/* core.receive(conn, method [, head_max]) -> response | nil, code [, detail]: what answers a request with
 * that method */
static int l_receive(lua_State *L) {
  struct api_conn *self = api_check_conn(L, CONN);
  luaL_checkstring(L, METHOD);
  lua_Integer max = luaL_optinteger(L, HEAD_MAX, HTTP_HEAD_BYTES_DEFAULT);
  luaL_argcheck(L, max > 0 && max <= UINT32_MAX, HEAD_MAX, "must be 1 to 4294967295 bytes");
  if (self->cohort) return luaL_error(L, "a connection of a service has requests, not responses");
  if (self->more->http.incoming)
    return luaL_error(L, "the response before it is not read to its end");
  lua_settop(L, METHOD);
  lua_pushinteger(L, max);
  return api_receive(L, &response_kind);
}

/* core.is_reusable(conn) -> whether another request may follow: the response is read to its end, and
 * nothing has come behind it */
static int l_is_reusable(lua_State *L) {
  const struct api_conn *self = api_check_conn(L, CONN);
  bool is_open = self->conn && !conn_is_closing(self->conn) && !conn_peer_finished(self->conn);
  bool is_clean =
      !self->more->http.incoming && (!self->more->inbox || inbox_empty(self->more->inbox));
  lua_pushboolean(L, is_open && is_clean && self->more->http.keeps_alive);
  return 1;
}

/* --- A response that is there as a string ------------------------------------------------------ */

/* Pushes the body that stands at `bytes`, and says how much of them that is; 0 of *used: there is more to
 * come. False: it is none. */
static bool push_body(lua_State *L, const struct http_head *head, const char *bytes, size_t size,
                      bool is_all, size_t *used) {
  struct http_body body;
  luaL_Buffer buffer;
  size_t at = 0;
  luaL_buffinit(L, &buffer);
  http_body_begin(&body, head);
  for (;;) {
    const char *data;
    size_t step = 0, data_size = 0;
    enum http_body_result result =
        http_body_read(&body, bytes + at, size - at, &step, &data, &data_size);
    at += step;
    if (result == HTTP_BODY_DATA) luaL_addlstring(&buffer, data, data_size);
    if (result == HTTP_BODY_DATA) continue;
    luaL_pushresult(&buffer);
    *used = at;
    bool is_whole =
        result == HTTP_BODY_END || (is_all && head->framing == HTTP_BY_CLOSE && at == size);
    if (!is_whole) *used = SIZE_MAX;
    return result != HTTP_BODY_BROKEN;
  }
}

/* core.parse(bytes, method, is_all) -> status, reason, list of names and values, body, size |
 * nothing: there is more to come | nil, "malformed", detail */
static int l_parse(lua_State *L) {
  size_t size, scanned = 0, used = 0;
  const char *bytes = luaL_checklstring(L, 1, &size);
  const char *method = luaL_checkstring(L, 2);
  struct http_head head;
  const struct http_limits limits = {.head_bytes_max = UINT32_MAX};
  struct http_span name, value;
  size_t at = 0;
  lua_Integer count = 0;
  enum http_result result =
      http_read_response(&limits, &scanned, bytes, size, strcmp(method, "HEAD") == 0, &head);
  if (result == HTTP_MORE) return 0;
  if (result == HTTP_REFUSED) return push_refusal(L, &head);
  lua_pushinteger(L, head.status);
  lua_pushlstring(L, bytes + head.reason.at, head.reason.size);
  lua_newtable(L);
  while (http_next_field(bytes, &head, &at, &name, &value)) {
    lua_pushlstring(L, bytes + name.at, name.size);
    lua_rawseti(L, -2, ++count);
    lua_pushlstring(L, bytes + value.at, value.size);
    lua_rawseti(L, -2, ++count);
  }
  if (!push_body(L, &head, bytes + head.size, size - head.size, lua_toboolean(L, 3), &used)) {
    return push_refusal(L, &(struct http_head){.fault = "its body is malformed"});
  }
  if (used == SIZE_MAX) return 0;
  used += head.size;
  lua_pushinteger(L, (lua_Integer)used);
  return 5;
}

const luaL_Reg api_http_functions[] = {
    {"receive", l_receive}, {"is_reusable", l_is_reusable}, {"parse", l_parse}, {NULL, NULL}};
