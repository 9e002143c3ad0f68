/* api/testing.c — moonport.test.core: what fake connections share with real ones — opens no socket.
 *
 * moonport.test, in Lua, judges scripts by the same rules, reads addresses in the same way and cuts
 * messages with the same splitter as the server does. */
#include "api/event_line.h"
#include "api/frame.h"
#include "api/modules.h"
#include "api/service.h"
#include "base/address.h"
#include "vm/syntax_hint.h"

#include <lauxlib.h>

static size_t check_max(lua_State *L, int index) {
  lua_Integer max = luaL_checkinteger(L, index);
  luaL_argcheck(L, max > 0, index, "must be 1 or more bytes");
  return (size_t)max;
}

/* Reads the format at `index`. Raises. */
static void check_format(lua_State *L, int index, size_t max, struct frame_format *out) {
  const char *fault = api_parse_frame(L, index, max, out);
  if (fault) luaL_argerror(L, index, fault);
}

/* next_message(format, max, bytes, at) -> message, at of the next [, prefix]
 *   | nil, "more" | nil, "limit" or "malformed", fault */
static int l_next_message(lua_State *L) {
  struct frame_format format;
  struct frame_slice slice;
  size_t size, scanned = 0;
  check_format(L, 1, check_max(L, 2), &format);
  const char *bytes = luaL_checklstring(L, 3, &size);
  lua_Integer at = luaL_checkinteger(L, 4);
  luaL_argcheck(L, at >= 1 && (size_t)at <= size + 1, 4, "is outside of the bytes");
  bytes += at - 1;
  enum frame_result result = frame_next(&format, &scanned, bytes, size - (size_t)at + 1, &slice);
  if (result == FRAME_MESSAGE) {
    int count = api_push_message(L, &format, bytes, &slice);
    lua_pushinteger(L, at + (lua_Integer)slice.consumed);
    if (count == 2) lua_insert(L, -2); /* the prefix comes last */
    return count + 1;
  }
  luaL_pushfail(L);
  if (result == FRAME_MORE) {
    lua_pushliteral(L, "more");
    return 2;
  }
  lua_pushstring(L, result == FRAME_TOO_LONG ? "limit" : "malformed");
  lua_pushstring(L, slice.fault);
  return 3;
}

/* wrap(format, message, prefix) -> bytes | nil, fault */
static int l_wrap(lua_State *L) {
  struct frame_format format;
  struct frame_wrapping wrapping;
  size_t size, prefix_size;
  check_format(L, 1, FRAME_MESSAGE_BYTES_MAX, &format);
  const char *message = luaL_checklstring(L, 2, &size);
  const char *prefix = luaL_checklstring(L, 3, &prefix_size);
  const char *fault = frame_wrap(&format, prefix, prefix_size, message, size, &wrapping);
  if (fault) {
    luaL_pushfail(L);
    lua_pushstring(L, fault);
    return 2;
  }
  lua_pushlstring(L, wrapping.header, wrapping.header_size);
  lua_pushvalue(L, 2);
  lua_pushlstring(L, wrapping.trailer, wrapping.trailer_size);
  lua_concat(L, 3);
  return 1;
}

/* address(text [, default host]) -> kind, host, port | "unix", path | nil, fault */
static int l_address(lua_State *L) {
  static const char *const kinds[] = {
      [ADDRESS_TCP] = "tcp", [ADDRESS_UDP] = "udp", [ADDRESS_TLS] = "tls", [ADDRESS_UNIX] = "unix"};
  struct address address;
  char error[512];
  if (address_parse(luaL_checkstring(L, 1), luaL_optstring(L, 2, "127.0.0.1"), &address, error,
                    sizeof error) < 0) {
    luaL_pushfail(L);
    lua_pushstring(L, error);
    return 2;
  }
  lua_pushstring(L, kinds[address.kind]);
  lua_pushstring(L, address.kind == ADDRESS_UNIX ? address.path : address.host);
  if (address.kind == ADDRESS_UNIX) return 2;
  lua_pushinteger(L, address.port);
  return 3;
}

/* syntax_hint(message, source) -> what to write instead, or nil */
static int l_syntax_hint(lua_State *L) {
  size_t size;
  const char *message = luaL_checkstring(L, 1);
  const char *source = luaL_checklstring(L, 2, &size);
  lua_pushstring(L, syntax_hint(message, source, size)); /* nil for NULL */
  return 1;
}

int api_open_testing(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"next_message", l_next_message},
      {"wrap", l_wrap},
      {"address", l_address},
      {"nearest", service_nearest},
      {"frame_fault", service_frame_fault},
      {"read_event", api_read_event},
      {"syntax_hint", l_syntax_hint},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
