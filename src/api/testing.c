/* api/testing.c — moonport.test.core: what moonport.test asks of C besides the script that it tests —
 * runs none. */
#include "api/event_line.h"
#include "api/modules.h"
#include "base/address.h"

#include <lauxlib.h>

/* address(text [, default host]) -> kind, host, port | "unix", path | nil, fault */
static int l_address(lua_State *L) {
  struct address address;
  char error[512];
  if (address_parse(luaL_checkstring(L, 1), luaL_optstring(L, 2, "127.0.0.1"), &address, error,
                    sizeof error) < 0) {
    luaL_pushfail(L);
    lua_pushstring(L, error);
    return 2;
  }
  lua_pushstring(L, address_scheme(address.kind));
  lua_pushstring(L, address.kind == ADDRESS_UNIX ? address.path : address.host);
  if (address.kind == ADDRESS_UNIX) return 2;
  lua_pushinteger(L, address.port);
  return 3;
}

int api_open_testing(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"address", l_address},
      {"read_event", api_read_event},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
