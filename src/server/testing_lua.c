/* server/testing_lua.c — moonport.test.host: a script under test as moonport/test/ has it in Lua. */
#include "server/testing_state.h"

#include "api/values.h"
#include "vm/task.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const char type_name[] = "moonport.test.hosted";

struct hosted *testing_check(lua_State *L, int index) {
  struct hosted **hosted = luaL_checkudata(L, index, type_name);
  return *hosted;
}

/* What came of it: true; false and why not */
static int acted(lua_State *L, int status, lua_KContext context) {
  (void)status;
  const struct hosted *hosted = (const struct hosted *)context;
  lua_pushinteger(L, hosted->rc);
  return 1;
}

/* Has it done in the next turn, and waits until nothing more follows from it. */
static int act(lua_State *L, struct hosted *hosted, enum deed deed) {
  if (hosted->is_busy) { /* what goes on includes it */
    lua_pushinteger(L, 0);
    return 1;
  }
  api_wait_begin(L, &hosted->wait, 0, "a call that lets this script go on");
  testing_ask(hosted, deed);
  return vm_wait(L, (lua_KContext)hosted, acted);
}

static char *copy(lua_State *L, int index) {
  const char *text = luaL_optstring(L, index, NULL);
  char *copied = text ? strdup(text) : NULL;
  if (text && !copied) luaL_error(L, "not enough memory");
  return copied;
}

/* host.new(path, prepare) -> hosted: a script that is not loaded yet; prepare(globals) comes before
 * each load */
static int l_new(lua_State *L) {
  struct testing *testing = lua_touserdata(L, lua_upvalueindex(1));
  const char *path = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  struct hosted **hosted = lua_newuserdatauv(L, sizeof(struct hosted *), 0);
  *hosted = testing_host(testing, path);
  if (!*hosted) return luaL_error(L, "not enough memory or descriptors for another script");
  (*hosted)->object = hosted;
  luaL_setmetatable(L, type_name);
  lua_pushvalue(L, 2);
  (*hosted)->prepare = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}

/* hosted:load([text]) -> 0, or -1 when it is not in force: its log says why */
static int l_load(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  char *text = copy(L, 2);
  free(hosted->text);
  hosted->text = text;
  return act(L, hosted, DEED_RELOAD);
}

/* hosted:settle(): until nothing is left to do */
static int l_settle(lua_State *L) {
  return act(L, testing_check(L, 1), DEED_SETTLE);
}

/* hosted:globals() -> those of the version in force */
static int l_globals(lua_State *L) {
  const struct hosted *hosted = testing_check(L, 1);
  const struct version *version = script_runtime(hosted->script)->current;
  if (version) {
    vm_world_push_globals(L, version->world);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* Its loop cannot run in here. */
static int l_gc(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  if (!hosted) return 0; /* the program has ended */
  hosted->object = NULL;
  testing_ask(hosted, DEED_END);
  return 0;
}

static int open(lua_State *L) {
  static const luaL_Reg methods[] = {{"load", l_load},
                                     {"settle", l_settle},
                                     {"globals", l_globals},
                                     {"take_log", testing_take_log},
                                     {NULL, NULL}};
  luaL_newmetatable(L, type_name);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  api_new_library(L, "hosted:", methods);
  lua_setfield(L, -2, "__index");
  lua_newtable(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, l_new, 1);
  lua_setfield(L, -2, "new");
  return 1;
}

int testing_open(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, open, 1);
  lua_setfield(L, -2, "moonport.test.host");
  return 0;
}
