/* api/names.c — names that a script uses and nothing defines, told to whoever asks for a check. The rules
 * are in lua/moonport/names.lua. */
#include "api/names.h"

#include "api/conn.h"
#include "api/runtime.h"
#include "api/service.h"
#include "api/version.h"
#include "base/other_names.h"
#include "vm/loader.h"

#include <lauxlib.h>
#include <string.h>

struct survey {
  struct version *version;
  const char *path;
};

/* called_here(name [, is_method]) -> what others' name is here, or nil */
static int l_called_here(lua_State *L) {
  lua_pushstring(L, other_name(lua_toboolean(L, 2) ? OTHER_METHODS : OTHER_CALLS,
                               luaL_checkstring(L, 1))); /* nil for NULL */
  return 1;
}

static void push_handler_names(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < HANDLER_COUNT; i++) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, service_handler_name((enum handler)i));
  }
}

static void push_tools(lua_State *L, const struct version *version) {
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "globals");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_setfield(L, -2, "loaded");
  api_push_conn_names(L);
  lua_setfield(L, -2, "conn");
  push_handler_names(L);
  lua_setfield(L, -2, "is_handler");
  lua_pushcfunction(L, service_nearest);
  lua_setfield(L, -2, "nearest");
  lua_pushcfunction(L, l_called_here);
  lua_setfield(L, -2, "called_here");
  lua_pushboolean(L, version->service.workers > 1);
  lua_setfield(L, -2, "has_copies");
}

/* Of one file; the rules' function is at index 1, the tools at 2. */
static void tell_file(lua_State *L, struct runtime *runtime, const char *path) {
  lua_pushvalue(L, 1);
  if (loader_load(L, path) != LUA_OK) lua_error(L); /* it is another file by now */
  lua_pushstring(L, path);
  lua_pushvalue(L, 2);
  lua_call(L, 3, 1);
  for (lua_Integer i = 1; lua_rawgeti(L, 3, i) == LUA_TSTRING; i++) {
    /* It names its file. */
    log_about(runtime->log, LOG_WARN, runtime->script, 0, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_settop(L, 2);
}

/* Whether it lies in the folder of the script at `path`, or below. */
static bool is_beside(const char *path, const char *file) {
  const char *slash = strrchr(path, '/');
  size_t size = slash ? (size_t)(slash - path) + 1 : 0;
  return size > 0 ? strncmp(path, file, size) == 0 : strncmp(file, "./", 2) == 0;
}

static int tell(lua_State *L) {
  const struct survey *survey = lua_touserdata(L, 1);
  const struct version *version = survey->version;
  lua_settop(L, 0);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "moonport.names");
  lua_call(L, 1, 1);
  lua_getfield(L, 1, "undefined");
  lua_replace(L, 1);
  push_tools(L, version);
  tell_file(L, version->runtime, survey->path);
  for (size_t i = 0; i < version->source_count; i++) {
    const struct source *source = &version->sources[i];
    bool is_lua = source->was_read && !source->is_data;
    if (!is_lua || strcmp(source->path, survey->path) == 0) continue;
    if (is_beside(survey->path, source->path)) tell_file(L, version->runtime, source->path);
  }
  return 0;
}

static void on_fail(void *self, const struct vm_failure *failure) {
  const struct survey *survey = self;
  runtime_log_failure(survey->version->runtime, 0, failure);
}

void names_tell_undefined(struct version *version, const char *path) {
  struct survey survey = {.version = version, .path = path};
  const struct vm_owner owner = {
      .self = &survey, .name = "check", .world = version->world, .on_fail = on_fail};
  (void)runtime_enter(version->runtime, tell, &survey, &owner, NULL);
}
