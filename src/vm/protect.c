/* vm/protect.c — pcall and xpcall, as Lua's own, but for code whose time is up: nobody keeps it going
 * by catching that — does not know how that is told. */
#include "vm/vm_state.h"
#include "vm/watchdog.h"

#include <lauxlib.h>

/* The results behind the first `skipped` values of the stack; true or false stands before them. */
static int finish(lua_State *L, int status, lua_KContext skipped) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)skipped;
  vm_watchdog_caught(L);
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

static int l_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish);
  return finish(L, status, 0);
}

static int l_xpcall(lua_State *L) {
  int count = lua_gettop(L) - 2;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* function, handler, true, function, arguments */
  int status = lua_pcallk(L, count, LUA_MULTRET, 2, 2, finish);
  return finish(L, status, 2);
}

void vm_open_protect(lua_State *L) {
  lua_register(L, "pcall", l_pcall);
  lua_register(L, "xpcall", l_xpcall);
}
