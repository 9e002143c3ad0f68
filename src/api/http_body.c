/* api/http_body.c — message:read(): a body piece by piece, as it is asked for — does not answer.
 *
 * Who does not read holds the peer up: only while somebody waits is the connection read. */
#include "api/http.h"

#include "api/arguments.h"
#include "api/inbox.h"
#include "api/runtime.h"
#include "net/conn_tls.h"

#include <lauxlib.h>

enum { READ_BYTES_DEFAULT = 65536 };

static int push_failure(lua_State *L, const char *code, const char *detail) {
  luaL_pushfail(L);
  lua_pushstring(L, code);
  if (!detail) return 2;
  lua_pushstring(L, detail);
  return 3;
}

static int broken(lua_State *L, struct api_conn *self, struct http_message *message) {
  const char *fault = self->more->http.incoming->body.fault;
  message->body = HTTP_BODY_FAILED;
  self->more->http.keeps_alive = false; /* where the next one begins nobody knows */
  return push_failure(L, "malformed", fault);
}

static int ended(lua_State *L, struct api_conn *self, struct http_message *message) {
  message->body = HTTP_BODY_READ;
  api_http_forget(self);
  lua_pushnil(L);
  return 1;
}

/* A body that goes until the peer's end ends with that: over TLS only if the peer has said it, for a FIN
 * anybody can send, and what is cut off looks whole. */
static bool ends_so(const struct api_conn *self) {
  struct conn_tls tls;
  return self->more->http.incoming->body.framing == HTTP_BY_CLOSE && self->conn &&
         conn_peer_finished(self->conn) && !(conn_tls(self->conn, &tls) && tls.is_truncated);
}

/* 2: how much at most, 3: the message */
static int take_body(lua_State *L, struct inbox *inbox, const char *bytes, size_t size) {
  struct api_conn *self = lua_touserdata(L, 1);
  struct http_message *message = lua_touserdata(L, 3);
  struct http_incoming *incoming = self->more->http.incoming;
  const size_t max = (size_t)lua_tointeger(L, 2);
  if (!incoming || incoming->message != message) return push_failure(L, "closed", NULL);
  for (;;) {
    const char *data;
    size_t used = 0, data_size = 0;
    enum http_body_result result =
        http_body_read(&incoming->body, bytes, size < max ? size : max, &used, &data, &data_size);
    if (result == HTTP_BODY_BROKEN) return broken(L, self, message);
    if (result == HTTP_BODY_DATA) {
      if (used == inbox->fresh_size && data_size == used) {
        runtime_push_received(L, self->runtime, data, data_size);
      } else {
        lua_pushlstring(L, data, data_size);
      }
    }
    inbox_consume(inbox, used);
    if (result == HTTP_BODY_DATA) return 1;
    if (result == HTTP_BODY_END || ends_so(self)) return ended(L, self, message);
    bytes += used;
    size -= used;
    if (size > 0) continue;
    if (self->conn) api_http_invite(self);
    return 0;
  }
}

static const struct recv_kind body_kind = {.name = "read", .take = take_body, .is_whole = true};

/* message:read([max]) -> string | nil: that was all | nil, code [, detail]. In `for piece in message.read,
 * message do` the second argument is the piece before. */
int api_message_read(lua_State *L) {
  struct http_message *message = api_check_message(L, 1);
  bool has_max = lua_type(L, 2) != LUA_TSTRING;
  lua_Integer max = has_max ? luaL_optinteger(L, 2, READ_BYTES_DEFAULT) : READ_BYTES_DEFAULT;
  luaL_argcheck(L, max > 0, 2, "must be 1 or more bytes");
  api_check_count(L, 2, NULL);
  bool has_none = message->head.framing == HTTP_NO_BODY;
  if (message->body == HTTP_BODY_WHOLE && !has_none) {
    return luaL_error(L,
                      "the body is there as a whole, in the field body; with stream = true in the "
                      "service it is read piece by piece");
  }
  if (message->body == HTTP_BODY_READ || has_none) {
    lua_pushnil(L);
    return 1;
  }
  if (message->body == HTTP_BODY_FAILED) return push_failure(L, "closed", NULL);
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_insert(L, 1);
  lua_pushinteger(L, max);
  lua_insert(L, 2);
  return api_receive(L, &body_kind);
}
