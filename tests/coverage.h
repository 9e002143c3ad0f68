/* coverage.h — comes before all else in a build that counts what runs (CMakePresets.json) — changes
 * nothing that can be seen. */
#pragma once

#include <unistd.h>

/* Lua declares them with a result, so that one can write `return luaL_error(…)`. They never return:
 * gcc would count two branches that nothing can take behind each luaL_argcheck(). */
struct lua_State;
int lua_error(struct lua_State *L) __attribute__((noreturn));
int luaL_error(struct lua_State *L, const char *format, ...) __attribute__((noreturn));
int luaL_argerror(struct lua_State *L, int argument, const char *message) __attribute__((noreturn));
int luaL_typeerror(struct lua_State *L, int argument, const char *type) __attribute__((noreturn));

/* gcov writes down what it counted at exit() only. */
void __gcov_dump(void);
__attribute__((noreturn, unused)) static inline void counted_exit(int code) {
  __gcov_dump();
  _exit(code);
}
#define _exit counted_exit
