/* vm/error_text.c — what the value that ended a task says. Knows no task. */
#include "vm/vm_state.h"

#include <lauxlib.h>

const char vm_yielded = 0;

/* Pushes what is said of a yield that is no wait of ours: with the line that called the C function in
 * which the coroutine stands. */
static void push_yielded(lua_State *L, lua_State *co) {
  lua_Debug call = {0}, caller;
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  if (lua_getstack(co, 0, &call)) lua_getinfo(co, "n", &call);
  if (lua_getstack(co, 1, &caller) && lua_getinfo(co, "Sl", &caller) && caller.currentline > 0) {
    lua_pushfstring(L, "%s:%d: ", caller.short_src, caller.currentline);
    luaL_addvalue(&text);
  }
  lua_pushfstring(
      L,
      "the C function '%s' yielded, and nothing here knows when it is to go on: call it "
      "in a coroutine of your own and resume that, or wait with moonport's own calls",
      call.name ? call.name : "?");
  luaL_addvalue(&text);
  luaL_pushresult(&text);
}

int vm_error_text(lua_State *L) {
  if (lua_touserdata(L, 1) == &vm_yielded) {
    push_yielded(L, lua_touserdata(L, 2));
  } else {
    luaL_tolstring(L, 1, NULL);
  }
  return 1;
}

void vm_warn_of_close(lua_State *L) {
  lua_pushcfunction(L, vm_error_text);
  lua_pushvalue(L, -2);
  bool has_text = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING;
  lua_warning(L, "error in __close (", 1);
  lua_warning(L, has_text ? lua_tostring(L, -1) : "its value has no text", 1);
  lua_warning(L, ")", 0);
  lua_pop(L, 1);
}
