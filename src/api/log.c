/* api/log.c — moonport.log, and print: lines in the script's name, with the connection's id. */
#include "api/modules.h"
#include "api/runtime.h"
#include "api/values.h"

#include <lauxlib.h>
#include <string.h>

static void write_line(lua_State *L, enum log_level level, int index) {
  size_t size;
  const char *message = lua_tolstring(L, index, &size);
  struct runtime *runtime = runtime_of(L);
  runtime_log(runtime, level, vm_running_conn_id(runtime->vm), message, size);
}

/* log.LEVEL(format, ...): string.format, but a lone argument is taken as it is */
int api_log(lua_State *L) {
  enum log_level level = (enum log_level)lua_tointeger(L, lua_upvalueindex(1));
  luaL_checkany(L, 1);
  if (lua_gettop(L) > 1)
    luaL_checkstring(L, 1); /* else log:info(…) would be string.format's fault */
  if (!log_enabled(runtime_of(L)->log, level)) return 0;
  if (lua_gettop(L) == 1) {
    luaL_tolstring(L, 1, NULL);
  } else {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
  }
  write_line(L, level, -1);
  return 0;
}

/* print(...): as in Lua, but into the log */
int api_print(lua_State *L) {
  api_push_line(L);
  write_line(L, LOG_INFO, -1);
  return 0;
}
