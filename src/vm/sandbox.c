/* vm/sandbox.c — the standard libraries, less what a script must not have. Knows Lua only.
 *
 * Taken away unless the operator says --unsafe: what could end the process, crash it with crafted
 * bytes, or reach into the server's own state. Files, processes and C modules stay, as far as the
 * operator grants them (vm/guard.c): a script is trusted as the program it is, but not to be without
 * mistakes. */
#include "base/platform.h"
#include "vm/vm_state.h"
#include "vm/watchdog.h"

#include "base/home.h"
#include "vm/loader.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <unistd.h>

/* os.exit() would end every other connection, and skip their closing. */
static int l_exit_refused(lua_State *L) {
  return luaL_error(L, "os.exit would end the server and every connection; close this connection "
                       "with conn:close(), or raise an error");
}

/* os.exit([code [, close]]) of a program: true is 0, false is 1 */
static int l_exit(lua_State *L) {
  const struct vm *vm = vm_of(L);
  if (!vm->options.exit) return l_exit_refused(L); /* a test's function, called by what it tests */
  int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
  vm->options.exit(vm->options.context, code);
  return 0; /* not reached */
}

/* What load() and loadfile() return, of a chunk or a message on top; `environment` is an index, or 0:
 * none was given. */
static int loaded(lua_State *L, int rc, int environment) {
  if (rc != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (environment) {
    lua_pushvalue(L, environment);
    lua_setupvalue(L, -2, 1); /* compiled from text, it has one: _ENV */
  }
  return 1;
}

/* Where load() keeps the piece that its reader is at. */
enum { PIECE = 5 };

/* The next piece, from the function that load() was given. */
static const char *read_piece(lua_State *L, void *context, size_t *size) {
  (void)context;
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    *size = 0;
    return NULL;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
  lua_replace(L, PIECE);
  return lua_tolstring(L, PIECE, size);
}

/* load(chunk [, name [, mode [, env]]]) for text only: crafted bytecode can crash the process. Lua's
 * own is not called, so that nothing leads to it. */
static int l_load(lua_State *L) {
  bool with_environment = !lua_isnone(L, 4);
  size_t size;
  const char *text = lua_tolstring(L, 1, &size);
  const char *mode = luaL_optstring(L, 3, "t");
  const char *name = luaL_optstring(L, 2, text ? text : "=(load)");
  int rc;
  if (!strchr(mode, 't')) {
    luaL_pushfail(L);
    lua_pushliteral(L, "binary chunks are not loaded here (the operator may allow them: --unsafe)");
    return 2;
  }
  if (text) {
    rc = luaL_loadbufferx(L, text, size, name, "t");
  } else {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, PIECE);
    rc = lua_load(L, read_piece, NULL, name, "t");
    if (rc != LUA_OK) vm_watchdog_caught(L);
  }
  return loaded(L, rc, with_environment ? 4 : 0);
}

/* loadfile([name [, mode [, env]]]) */
static int l_loadfile(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  int environment = lua_isnone(L, 3) ? 0 : 3;
  bool may = vm_may_open(L, "loadfile", name, false);
  return loaded(L, may ? loader_load(L, name) : LUA_ERRFILE, environment);
}

static int dofile_results(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L) - 1;
}

static int l_dofile(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (!vm_may_open(L, "dofile", name, false)) return lua_error(L);
  if (loader_load(L, name) != LUA_OK) return lua_error(L);
  lua_callk(L, 0, LUA_MULTRET, 0, dofile_results);
  return dofile_results(L, LUA_OK, 0);
}

/* debug.getlocal([thread,] f, n), as Lua's own, but a C function on the stack has no values to see:
 * they are the core's, and a buffer that is freed under string.gsub() ends the process. */
static int l_getlocal(lua_State *L) {
  lua_State *L1 = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  int first = lua_isthread(L, 1) ? 1 : 0;
  lua_Debug activation;
  int number = (int)luaL_checkinteger(L, first + 2);
  if (lua_isfunction(L, first + 1)) {
    lua_pushvalue(L, first + 1);
    lua_pushstring(L, lua_getlocal(L, NULL, number)); /* nil for NULL */
    return 1;
  }
  int level = (int)luaL_checkinteger(L, first + 1);
  if (!lua_getstack(L1, level, &activation)) {
    return luaL_argerror(L, first + 1, "level out of range");
  }
  lua_getinfo(L1, "S", &activation);
  luaL_argcheck(L, L == L1 || lua_checkstack(L1, 1), 1, "stack overflow");
  const char *name = *activation.what == 'C' ? NULL : lua_getlocal(L1, &activation, number);
  if (!name) {
    luaL_pushfail(L);
    return 1;
  }
  lua_xmove(L1, L, 1);
  lua_pushstring(L, name);
  lua_insert(L, -2);
  return 2;
}

/* debug.getinfo(), as Lua's own, but not the C functions that are found on the stack: the core calls
 * some of them with arguments that nobody else may give them. */
static int l_getinfo(lua_State *L) {
  bool by_level = lua_type(L, lua_isthread(L, 1) ? 2 : 1) != LUA_TFUNCTION;
  int count = vm_standard(L, STANDARD_GETINFO);
  if (!by_level || !lua_istable(L, -1)) return count;
  if (lua_getfield(L, -1, "func") == LUA_TFUNCTION && lua_iscfunction(L, -1)) {
    lua_pushnil(L);
    lua_setfield(L, -3, "func");
  }
  lua_pop(L, 1);
  return count;
}

/* os.setlocale(locale, category) only tells: it is the whole process that has one. */
static int l_setlocale(lua_State *L) {
  if (lua_isnoneornil(L, 1)) return vm_standard(L, STANDARD_SETLOCALE);
  luaL_pushfail(L);
  return 1;
}

/* What is left of `debug`: looking. The rest changes what the C side relies on. */
static void trim_debug(lua_State *L) {
  static const char *const kept[] = {"traceback", "getinfo", "getlocal", "getupvalue", "gethook"};
  static const struct vm_front fronts[] = {{"getinfo", STANDARD_GETINFO, l_getinfo}};
  lua_newtable(L);
  lua_getglobal(L, LUA_DBLIBNAME);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  lua_pop(L, 1);
  vm_put_fronts(L, fronts, 1);
  lua_pushcfunction(L, l_getlocal);
  lua_setfield(L, -2, "getlocal");
  lua_pushvalue(L, -1);
  lua_setglobal(L, LUA_DBLIBNAME);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_DBLIBNAME);
  lua_pop(L, 2);
}

static void refuse_binary_chunks(lua_State *L) {
  lua_register(L, "load", l_load);
  lua_register(L, "loadfile", l_loadfile);
  lua_register(L, "dofile", l_dofile);
}

static void keep_locale(lua_State *L) {
  static const struct vm_front fronts[] = {{"setlocale", STANDARD_SETLOCALE, l_setlocale}};
  lua_getglobal(L, LUA_OSLIBNAME);
  vm_put_fronts(L, fronts, 1);
  lua_pop(L, 1);
}

static void remove_loadlib(lua_State *L) {
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_pushnil(L);
  lua_setfield(L, -2, "loadlib");
  lua_pop(L, 1);
}

void vm_put_fronts(lua_State *L, const struct vm_front *fronts, size_t count) {
  for (size_t i = 0; i < count; i++) {
    lua_getfield(L, -1, fronts[i].name);
    vm_of(L)->standard[fronts[i].standard] = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    lua_pushcfunction(L, fronts[i].front);
    lua_setfield(L, -2, fronts[i].name);
  }
}

int vm_standard(lua_State *L, enum standard standard) {
  return vm_of(L)->standard[standard](L);
}

/* Lua seeds math.random by the second and the state's address: the versions of a script share that, and
 * those of one second drew the same numbers. Where the kernel has none yet, it stays so. */
static void seed_random(lua_State *L) {
  lua_Integer seeds[2];
  if (platform_random(seeds, sizeof seeds, false) < 0) return;
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, seeds[0]);
  lua_pushinteger(L, seeds[1]);
  lua_call(L, 2, 0);
  lua_pop(L, 1);
}

static int open_standard(lua_State *L) {
  luaL_openlibs(L);
  return 0;
}

/* LUA_PATH and LUA_CPATH are what the operator has set, and not a script since then. */
static void open_by_start(lua_State *L) {
  char **environment = environ;
  lua_pushcfunction(L, open_standard);
  environ = home_environment(vm_of(L)->options.home);
  int rc = lua_pcall(L, 0, 0, 0);
  environ = environment;
  if (rc != LUA_OK) lua_error(L);
}

void vm_open_libraries(lua_State *L) {
  open_by_start(L);
  seed_random(L);
  vm_guard_files(L);
  if (!vm_of(L)->options.unsafe) {
    trim_debug(L);
    refuse_binary_chunks(L);
    remove_loadlib(L);
    keep_locale(L);
    vm_guard_libraries(L);
  }
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushcfunction(L, vm_of(L)->options.exit ? l_exit : l_exit_refused);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
}
