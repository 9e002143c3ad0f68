/* server/testing/lua.c — moonport.test.host: a script under test as moonport/test/ has it in Lua. */
#include "server/testing/state.h"

#include "api/modules.h"
#include "net/loop.h"
#include "vm/task.h"
#include "vm/world.h"

#include <stdlib.h>
#include <string.h>

/* Into *out, which the next copy or the end frees. Raises. */
static void copy_text(lua_State *L, int index, char **out, size_t *size) {
  const char *text = luaL_optlstring(L, index, NULL, size);
  char *copied = text ? malloc(*size + 1) : NULL;
  if (text && !copied) {
    luaL_error(L, "not enough memory");
    return; /* never: it raised */
  }
  if (copied) memcpy(copied, text, *size + 1);
  free(*out);
  *out = copied;
}

static void copy_list(lua_State *L, int index, struct hosted *hosted) {
  size_t count = (size_t)luaL_len(L, index), size;
  hosted->listen = calloc(count, sizeof *hosted->listen);
  if (!hosted->listen) {
    luaL_error(L, "not enough memory");
    return; /* never: it raised */
  }
  for (size_t i = 0; i < count; i++) {
    lua_geti(L, index, (lua_Integer)i + 1);
    luaL_argcheck(L, lua_isstring(L, -1), index, "must be addresses");
    hosted->listen_count = i + 1;
    copy_text(L, -1, &hosted->listen[i], &size);
    lua_pop(L, 1);
  }
  hosted->options.listen = (const char *const *)hosted->listen;
  hosted->options.listen_count = count;
}

/* host.new(path, prepare, time [, listen]) -> hosted: a script that is not loaded yet; prepare(globals)
 * comes before each load; `time` is in seconds since 1970 */
static int l_new(lua_State *L) {
  struct testing *testing = lua_touserdata(L, lua_upvalueindex(1));
  const char *path = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_Number time_s = luaL_checknumber(L, 3);
  lua_settop(L, 4);
  struct hosted *hosted = testing_host(testing, path);
  if (!hosted) return luaL_error(L, "not enough memory or descriptors for another script");
  testing_handle_push(L, &hosted->handle, testing_hosted_type);
  lua_pushvalue(L, 2);
  hosted->prepare = luaL_ref(L, LUA_REGISTRYINDEX);
  if (!lua_isnil(L, 4)) copy_list(L, 4, hosted);
  hosted->script->runtime.wall_ms = (int64_t)(time_s * 1000) - TESTING_START_MS;
  return 1;
}

/* -> "done", "failed" (it was not loaded: the log says why) or "restless", ms left to pass */
static int acted(lua_State *L, int status, lua_KContext context) {
  const struct hosted *hosted = (const struct hosted *)context;
  (void)status;
  lua_pushstring(L, hosted->has_failed ? "failed" : hosted->is_restless ? "restless" : "done");
  lua_pushinteger(L, (lua_Integer)hosted->ms);
  return 2;
}

/* Has it done in the next turn, and waits until nothing more follows from it. */
static int act(lua_State *L, struct hosted *hosted, enum deed deed) {
  if (hosted->is_busy) return luaL_error(L, "the script that calls this is at work already");
  api_wait_begin(L, &hosted->wait, 0, "a call that lets this script go on");
  hosted->has_failed = false;
  testing_ask(hosted, deed);
  return vm_wait(L, (lua_KContext)hosted, acted);
}

static uint64_t check_ms(lua_State *L, int index) {
  lua_Integer ms = luaL_checkinteger(L, index);
  luaL_argcheck(L, ms >= 0, index, "must be 0 or more");
  return (uint64_t)ms;
}

/* hosted:load([text]): from its file, or the text; the first time, and anew */
static int l_load(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  copy_text(L, 2, &hosted->text, &hosted->text_size);
  return act(L, hosted, DEED_LOAD);
}

/* hosted:settle(): until nothing is left to do */
static int l_settle(lua_State *L) {
  return act(L, testing_check(L, 1), DEED_SETTLE);
}

/* hosted:advance(ms): lets time pass, less what is left when a peer that behaves got something */
static int l_advance(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  hosted->ms = check_ms(L, 2);
  return act(L, hosted, DEED_ADVANCE);
}

/* hosted:stop(ms): as SIGTERM, with so long until the deadline; a second time, at once */
static int l_stop(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  hosted->ms = check_ms(L, 2);
  return act(L, hosted, DEED_STOP);
}

/* hosted:look() -> whether one of those is under way, so that what is done is part of it; whether the
 * script has ended; ms since it was loaded; how many connections it has */
static int l_look(lua_State *L) {
  const struct hosted *hosted = testing_check(L, 1);
  lua_pushboolean(L, hosted->is_busy);
  lua_pushboolean(L, hosted->script == NULL);
  lua_pushinteger(L, (lua_Integer)(net_loop_now_ms(hosted->loop) - TESTING_START_MS));
  lua_pushinteger(L,
                  hosted->script ? (lua_Integer)runtime_conn_count(&hosted->script->runtime) : 0);
  return 4;
}

/* hosted:metric(name, ...) -> what get() would say of it in the script; nil: it has no such one */
static int l_metric(lua_State *L) {
  const struct hosted *hosted = testing_check(L, 1);
  return api_push_metric(L, hosted->script ? hosted->script->runtime.meters : NULL);
}

/* hosted:globals() -> those of the version in force */
static int l_globals(lua_State *L) {
  const struct hosted *hosted = testing_check(L, 1);
  const struct version *version = hosted->script ? hosted->script->runtime.current : NULL;
  if (version) {
    vm_world_push_globals(L, version->world);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* Its loop cannot run in here. */
static int l_gc(lua_State *L) {
  struct handle **object = lua_touserdata(L, 1);
  if (!*object) return 0; /* the program has ended */
  (*object)->object = NULL;
  testing_ask((struct hosted *)*object, DEED_END);
  return 0;
}

static int open_host(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"load", l_load},
      {"settle", l_settle},
      {"advance", l_advance},
      {"stop", l_stop},
      {"look", l_look},
      {"globals", l_globals},
      {"metric", l_metric},
      {"take_log", testing_take_log},
      {"watch_sends", testing_watch_sends},
      {"connect", testing_connect},
      {"listen", testing_listen},
      {"sender", testing_sender},
      {"name", testing_name},
      {NULL, NULL},
  };
  testing_handle_open(L, testing_hosted_type, methods);
  luaL_getmetatable(L, testing_hosted_type);
  lua_pushcfunction(L, l_gc);
  lua_setfield(L, -2, "__gc");
  testing_open_peer(L);
  testing_open_network(L);
  lua_newtable(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, l_new, 1);
  lua_setfield(L, -2, "new");
  lua_pushinteger(L, TESTING_STEPS_MAX);
  lua_setfield(L, -2, "STEPS_MAX");
  return 1;
}

int testing_open(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, open_host, 1);
  lua_setfield(L, -2, "moonport.test.host");
  return 0;
}
