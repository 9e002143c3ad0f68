/* vm/error_text.c — what the value that ended a task says. Knows no task. */
#include "vm/place.h"
#include "vm/vm_state.h"

#include <lauxlib.h>

const char vm_yielded = 0;

/* Pushes "the C function 'pause'" of a call; where pcall() or another one in C made that, Lua knows no name:
 * then the name of the one that Lua called. */
static void push_callee(lua_State *L, lua_State *co) {
  lua_Debug call = {0};
  for (int level = 0; lua_getstack(co, level, &call) && lua_getinfo(co, "Sn", &call); level++) {
    if (*call.what != 'C') break;
    if (!call.name) continue;
    lua_pushfstring(L, "the C function %s'%s'", level > 0 ? "that was given to " : "", call.name);
    return;
  }
  lua_pushliteral(L, "a C function");
}

/* Pushes what is said of a yield that is no wait of ours: with the line that called the C function in
 * which the coroutine stands. */
static void push_yielded(lua_State *L, lua_State *co) {
  struct place place;
  push_callee(L, co);
  lua_pushfstring(
      L,
      "%s yielded, and nothing here knows when it is to go on: call it in a coroutine of "
      "your own and resume that, or wait with moonport's own calls",
      lua_tostring(L, -1));
  if (!place_read_line(co, &place)) return;
  lua_pushfstring(L, "%s:%d: %s", place.file, place.line, lua_tostring(L, -1));
}

int vm_error_text(lua_State *L) {
  if (lua_touserdata(L, 1) == &vm_yielded) {
    push_yielded(L, lua_touserdata(L, 2));
  } else if (lua_istable(L, 1) && luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
    lua_pushliteral(L, "(a table as error value, which has no __tostring)"); /* not where it is */
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
