/* vm/sandbox.c — the standard libraries, less what a script must not have. Knows Lua only.
 *
 * Taken away unless the operator says --unsafe: what could end the process, crash it with crafted
 * bytes, or reach into the server's own state. Files, processes and C modules stay: a script is
 * trusted as the program it is, but not to be without mistakes. */
#include "vm/vm_state.h"

#include "vm/loader.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* os.exit() would end every other connection, and skip their closing. */
static int l_exit_refused(lua_State *L) {
  return luaL_error(L, "os.exit would end the server and every connection; close this connection "
                       "with conn:close(), or raise an error");
}

/* os.exit([code [, close]]) of a program: true is 0, false is 1 */
static int l_exit(lua_State *L) {
  const struct vm *vm = vm_of(L);
  int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
  vm->options.exit(vm->options.context, code);
  return 0; /* not reached */
}

/* load(chunk [, name [, mode [, env]]]) for text only: crafted bytecode can crash the process. */
static int l_load(lua_State *L) {
  bool with_environment = lua_gettop(L) >= 4;
  const char *mode = luaL_optstring(L, 3, "t");
  if (!strchr(mode, 't')) {
    luaL_pushfail(L);
    lua_pushliteral(L, "binary chunks are not loaded here (the operator may allow them: --unsafe)");
    return 2;
  }
  int count = with_environment ? 4 : 3;
  lua_settop(L, count);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, count, LUA_MULTRET);
  return lua_gettop(L);
}

/* loadfile([name [, mode [, env]]]) */
static int l_loadfile(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  bool with_environment = !lua_isnone(L, 3);
  if (loader_load(L, name) != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (with_environment) {
    lua_pushvalue(L, 3);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}

static int dofile_results(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L) - 1;
}

static int l_dofile(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (loader_load(L, name) != LUA_OK) return lua_error(L);
  lua_callk(L, 0, LUA_MULTRET, 0, dofile_results);
  return dofile_results(L, LUA_OK, 0);
}

/* What is left of `debug`: looking. The rest changes what the C side relies on. */
static void trim_debug(lua_State *L) {
  static const char *const kept[] = {"traceback", "getinfo", "getlocal", "getupvalue", "gethook"};
  lua_newtable(L);
  lua_getglobal(L, LUA_DBLIBNAME);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_setglobal(L, LUA_DBLIBNAME);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_DBLIBNAME);
  lua_pop(L, 2);
}

static void refuse_binary_chunks(lua_State *L) {
  lua_getglobal(L, "load");
  lua_pushcclosure(L, l_load, 1);
  lua_setglobal(L, "load");
  lua_register(L, "loadfile", l_loadfile);
  lua_register(L, "dofile", l_dofile);
}

static void remove_loadlib(lua_State *L) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushnil(L);
  lua_setfield(L, -2, "loadlib");
  lua_pop(L, 1);
}

void vm_open_libraries(lua_State *L) {
  luaL_openlibs(L);
  if (!vm_of(L)->options.unsafe) {
    trim_debug(L);
    refuse_binary_chunks(L);
    remove_loadlib(L);
  }
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushcfunction(L, vm_of(L)->options.exit ? l_exit : l_exit_refused);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
}
