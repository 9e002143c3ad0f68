/* api/log.c — moonport.log, and print: lines in the script's name, with the connection's id. */
#include "api/modules.h"
#include "api/runtime.h"
#include "api/values.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static void write_line(lua_State *L, enum log_level level, int index) {
  size_t size;
  const char *message = lua_tolstring(L, index, &size);
  struct runtime *runtime = runtime_of(L);
  runtime_log(runtime, level, vm_running_conn_id(runtime->vm), message, size);
}

/* How many values string.format() takes for the format at index 1. */
static int count_directives(lua_State *L) {
  size_t size;
  const char *format = luaL_checklstring(L, 1, &size);
  int count = 0;
  for (size_t i = 0; i + 1 < size; i++) {
    if (format[i] != '%') continue;
    i++;
    if (format[i] != '%') count++;
  }
  return count;
}

/* string.format() has no line where C calls it: the mistake is in that of whoever logs. What a __tostring
 * raised has its own. */
static int raise_fault(lua_State *L) {
  const char *fault = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  bool is_of_format =
      strncmp(fault, "bad argument", 12) == 0 || strncmp(fault, "invalid conversion", 18) == 0;
  return is_of_format ? luaL_error(L, "%s", fault) : lua_error(L);
}

/* Pushes the text of all arguments. Values that the format has no place for are not lost: they follow,
 * as print() has them. */
static void push_formatted(lua_State *L) {
  int last = lua_gettop(L);
  int places = count_directives(L) + 1;
  int count = places < last ? places : last;
  luaL_checkstack(L, count + 3, "too many values");
  lua_pushvalue(L, lua_upvalueindex(2));
  for (int i = 1; i <= count; i++) lua_pushvalue(L, i);
  if (lua_pcall(L, count, 1, 0) != LUA_OK) raise_fault(L);
  for (int i = count + 1; i <= last; i++) {
    lua_pushliteral(L, "\t");
    luaL_tolstring(L, i, NULL);
    lua_concat(L, 3);
  }
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
    push_formatted(L);
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
