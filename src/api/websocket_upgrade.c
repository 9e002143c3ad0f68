/* api/websocket_upgrade.c — from a request to a WebSocket: RFC 6455, section 4.2 — does not read frames.
 *
 * The happy path: the request is judged, on_upgrade is asked, 101 goes out, and the connection's bytes are
 * frames from then on; on_open or main come next. What is no such request, or is not wanted, is answered
 * as any other, and that is the end of the connection: what comes behind it may be frames. */
#include "api/http.h"
#include "api/http_text.h"
#include "api/inbox.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "base/base64.h"
#include "net/tls/hash.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where things stand on the handler's stack; RESULT is what on_upgrade returned. */
enum { CONN = 1, REQUEST = 2, RESULT = 3 };
enum { KEY_TEXT_BYTES = 24, KEY_BYTES = 16, SHA1_BYTES = 20, ACCEPT_BYTES = 28 };

static int upgrade_refuse(struct api_conn *self, unsigned status, const char *fault,
                          const char *fields) {
  self->more->http.keeps_alive = false;
  api_http_refuse(self, status, fault, fields, true);
  api_http_answered(self);
  return 0;
}

/* --- The request ----------------------------------------------------------------------------- */

static bool is_key(const char *text, size_t size) {
  char key[BASE64_DECODED_SIZE_MAX(KEY_TEXT_BYTES)];
  return size == KEY_TEXT_BYTES && base64_decode(text, size, key) == KEY_BYTES;
}

/* Refuses what is not allowed; false then. Raises. */
static bool judge_request(lua_State *L, struct api_conn *self, const struct http_message *request) {
  const struct http_head *head = &request->head;
  size_t size;
  bool is_get = head->method.size == 3 && memcmp(request->bytes + head->method.at, "GET", 3) == 0;
  if (!is_get || head->minor == 0 || head->framing != HTTP_NO_BODY) {
    upgrade_refuse(self, 400, "a WebSocket begins with GET, HTTP/1.1 and no body", "");
    return false;
  }
  api_push_header(L, request, "sec-websocket-version");
  const char *version = lua_tostring(L, -1);
  if (!version || strcmp(version, "13") != 0) {
    upgrade_refuse(self, 426, "WebSocket is spoken here in version 13",
                   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    return false;
  }
  api_push_header(L, request, "sec-websocket-key");
  const char *key = lua_tolstring(L, -1, &size);
  if (!key || !is_key(key, size)) {
    upgrade_refuse(self, 400, "Sec-WebSocket-Key is not 16 bytes in base64", "");
    return false;
  }
  lua_settop(L, REQUEST);
  return true;
}

/* --- The answer ------------------------------------------------------------------------------ */

/* Raises: what on_upgrade returned has no line but that of the handler. `what` may be on top. */
static int upgrade_fault(lua_State *L, const char *what) {
  if (!service_has(&version_of(L)->service, HANDLER_ON_UPGRADE))
    return luaL_error(L, "on_upgrade returned %s", what);
  return luaL_error(L, "%s returned %s", api_push_handler_place(L, HANDLER_ON_UPGRADE), what);
}

static void add(lua_State *L, struct http_text *text, const char *name, const char *value) {
  http_text_add(L, text, name, strlen(name));
  http_text_add(L, text, ": ", 2);
  http_text_add(L, text, value, strlen(value));
  http_text_add(L, text, "\r\n", 2);
}

/* Base64 of the SHA-1 of the key and a text that the standard gives. */
static void add_accept(lua_State *L, struct http_text *text, const struct http_message *request) {
  static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[HASH_BYTES_MAX];
  char error[200], accept[ACCEPT_BYTES + 1] = "";
  api_push_header(L, request, "sec-websocket-key");
  lua_pushstring(L, magic);
  lua_concat(L, 2);
  if (!hash_of(HASH_SHA1, lua_tostring(L, -1), KEY_TEXT_BYTES + sizeof magic - 1, digest, error,
               sizeof error)) {
    luaL_error(L, "%s", error);
  }
  base64_encode((const char *)digest, SHA1_BYTES, accept);
  add(L, text, "Sec-WebSocket-Accept", accept);
  lua_pop(L, 1);
}

/* Whether a list of tokens has this one, as it is written. */
static bool list_has(const char *list, const char *token) {
  size_t size = strlen(token);
  for (; list && *list; list += strcspn(list, ",")) {
    list += strspn(list, ", \t");
    if (strcspn(list, ", \t") == size && strncmp(list, token, size) == 0) return size > 0;
  }
  return false;
}

static void add_protocol(lua_State *L, struct http_text *text, const struct http_message *request) {
  if (lua_getfield(L, RESULT, "protocol") == LUA_TNIL) return;
  const char *protocol = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  api_push_header(L, request, "sec-websocket-protocol");
  if (!protocol || !list_has(lua_tostring(L, -1), protocol)) {
    upgrade_fault(
        L, lua_pushfstring(L,
                           "protocol = %s, which the client did not offer: choose one of "
                           "those in request.headers[\"sec-websocket-protocol\"], or leave it out",
                           luaL_tolstring(L, RESULT + 1, NULL)));
    return; /* never: it raised */
  }
  add(L, text, "Sec-WebSocket-Protocol", protocol);
}

/* Of the script's own, those that are not part of the handshake. */
static void add_header(lua_State *L, struct http_text *text) {
  size_t name_size, size;
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &name_size) : "";
  const char *value = lua_tolstring(L, -1, &size);
  if (!value || !*name || !http_is_token(name, name_size) || !http_is_value(value, size)) {
    upgrade_fault(L, lua_pushfstring(L, "a header that cannot be sent: headers are written "
                                        "{ [\"set-cookie\"] = \"…\" }, without line breaks"));
    return; /* never: it raised */
  }
  static const char *const ours[] = {"connection", "upgrade", "content-length",
                                     "transfer-encoding"};
  bool is_ours = strncasecmp(name, "sec-websocket-", 14) == 0;
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) is_ours |= strcasecmp(name, ours[i]) == 0;
  if (is_ours) {
    upgrade_fault(L, lua_pushfstring(L, "the header '%s', which is part of the handshake", name));
  }
  add(L, text, name, value);
}

static void add_headers(lua_State *L, struct http_text *text) {
  int type = lua_getfield(L, RESULT, "headers");
  if (type == LUA_TNIL) return;
  if (type != LUA_TTABLE) {
    upgrade_fault(L, lua_pushfstring(L,
                                     "headers = %s: write a table, such as "
                                     "{ [\"set-cookie\"] = \"…\" }",
                                     luaL_tolstring(L, -1, NULL)));
  }
  for (lua_pushnil(L); lua_next(L, RESULT + 1); lua_pop(L, 1)) {
    if (lua_type(L, -1) == LUA_TNUMBER) lua_tostring(L, -1);
    add_header(L, text);
  }
}

/* What it says besides is nobody's. */
static void check_result(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, RESULT); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "headers") != 0 && strcmp(name, "protocol") != 0) {
      upgrade_fault(L, lua_pushfstring(L,
                                       "a table with '%s': there are headers and protocol, and a "
                                       "refusal is a status, such as return 403",
                                       luaL_tolstring(L, -2, NULL)));
    }
  }
}

static unsigned add_extension(lua_State *L, struct http_text *text, const struct api_conn *self,
                              const struct http_message *request) {
  size_t size;
  bool names_window;
  char value[120];
  if (!self->cohort->version->service.deflates) return 0;
  api_push_header(L, request, "sec-websocket-extensions");
  const char *offers = lua_tolstring(L, -1, &size);
  unsigned bits = offers ? websocket_choose_deflate(offers, size, &names_window) : 0;
  if (bits == 0) return 0;
  int used = snprintf(value, sizeof value,
                      "permessage-deflate; server_no_context_takeover; "
                      "client_no_context_takeover");
  if (names_window) {
    snprintf(value + used, sizeof value - (size_t)used, "; server_max_window_bits=%u", bits);
  }
  add(L, text, "Sec-WebSocket-Extensions", value);
  return bits;
}

/* Sends 101. Nothing raises once that is queued. */
static int accept_upgrade(lua_State *L, struct api_conn *self, const struct http_message *request) {
  static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n";
  struct http_text *text = http_text_of(L, self->runtime);
  struct websocket_terms terms = {.receiver = &api_receive_websocket};
  http_text_add(L, text, head, sizeof head - 1);
  add_accept(L, text, request);
  terms.window_bits = add_extension(L, text, self, request);
  if (lua_istable(L, RESULT)) {
    check_result(L);
    lua_settop(L, RESULT);
    add_protocol(L, text, request);
    lua_settop(L, RESULT);
    add_headers(L, text);
  }
  http_text_add(L, text, "\r\n", 2);
  api_need_inbox(L, self);
  if (!api_websocket_begin(self, &terms)) return luaL_error(L, "not enough memory");
  self->more->http.phase = HTTP_UPGRADED;
  if (conn_send_begin(self->conn) < 0) return 0;
  if (conn_send_copied(self->conn, text->bytes, text->size) < 0) return 0;
  if (api_is_told(self->runtime, EVENT_SEND)) {
    conn_tell_send(self->conn, text->size, "core", NULL);
  }
  self->pending |= PENDING_OPEN;
  if (service_has(&self->cohort->version->service, HANDLER_MAIN)) self->pending |= PENDING_MAIN;
  return 0;
}

/* --- on_upgrade ------------------------------------------------------------------------------ */

/* What on_upgrade returned is at RESULT. */
static int upgraded(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  struct api_conn *self = lua_touserdata(L, CONN);
  const struct http_message *request = api_check_message(L, REQUEST);
  if (!self->conn || conn_is_closing(self->conn)) return 0;
  if (self->more->http.phase != HTTP_DUE) return 0; /* it answered by itself, with conn:respond */
  if (self->cohort->version->service.protocol != PROTOCOL_WEBSOCKET) { /* a reload came meanwhile */
    return upgrade_refuse(self, 503, "there is no WebSocket here any more", "");
  }
  lua_Integer code = lua_tointeger(L, RESULT);
  switch (lua_type(L, RESULT)) {
    case LUA_TNIL:
    case LUA_TTABLE: return accept_upgrade(L, self, request);
    case LUA_TBOOLEAN:
      if (lua_toboolean(L, RESULT)) return accept_upgrade(L, self, request);
      return upgrade_refuse(self, 403, "this WebSocket is not for you", "");
    case LUA_TNUMBER:
      if (code >= 400 && code <= 599) {
        const char *reason = http_reason((unsigned)code);
        return upgrade_refuse(self, (unsigned)code, *reason ? reason : "the server refused", "");
      }
      break;
    default: break;
  }
  return upgrade_fault(L,
                       lua_pushfstring(L,
                                       "%s: write nothing or { headers = …, protocol = … } to "
                                       "accept it, false or a status from 400 to 599 to refuse it",
                                       luaL_tolstring(L, RESULT, NULL)));
}

int api_websocket_upgrade(lua_State *L, struct api_conn *self) {
  const struct service *service = &self->cohort->version->service;
  if (!judge_request(L, self, api_check_message(L, REQUEST))) return 0;
  if (!service_has(service, HANDLER_ON_UPGRADE)) {
    lua_pushnil(L);
    return upgraded(L, LUA_OK, 0);
  }
  self->handler = HANDLER_ON_UPGRADE;
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_UPGRADE]);
  lua_pushvalue(L, CONN);
  lua_pushvalue(L, REQUEST);
  if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_upgrade", -3);
  lua_callk(L, 2, 1, 0, upgraded);
  return upgraded(L, LUA_OK, 0);
}
