/* api/arguments.c — arguments that cannot be meant. Knows no call. */
#include "api/arguments.h"

#include "vm/place.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

/* Whether the running function was called by a colon, whose object is no argument to its author. */
static bool is_method(lua_State *L) {
  lua_Debug call;
  return lua_getstack(L, 0, &call) && lua_getinfo(L, "n", &call) &&
         strcmp(call.namewhat, "method") == 0;
}

void api_push_dropped(lua_State *L, int count, int index, const char *instead) {
  static const char *const takes[] = {"no argument",     "one argument",   "two arguments",
                                      "three arguments", "four arguments", "five arguments"};
  lua_pushfstring(L, "it takes %s, and this %s would be dropped%s%s", takes[count],
                  luaL_typename(L, index), instead ? ": " : "", instead ? instead : "");
}

static int refuse(lua_State *L, int count, int index, const char *instead) {
  api_push_dropped(L, is_method(L) ? count - 1 : count, index, instead);
  return luaL_argerror(L, index, lua_tostring(L, -1));
}

void api_check_count(lua_State *L, int count, const char *instead) {
  for (int index = count + 1; index <= lua_gettop(L); index++) {
    if (!lua_isnil(L, index)) refuse(L, count, index, instead);
  }
}

static int refuse_element(lua_State *L, const char *function, lua_Integer place, const char *type) {
  return luaL_error(L, "bad argument #1 to '%s' (element %I of the list is %s%s, not a string)",
                    function, place, strcmp(type, "nil") == 0 ? "" : "a ", type);
}

/* The key below the value on top is no place in the list. */
static int refuse_key(lua_State *L, const char *function) {
  const char *key = luaL_tolstring(L, -2, NULL);
  const char *kind = lua_type(L, -3) == LUA_TSTRING ? "a field" : "a value at";
  return luaL_error(L,
                    "bad argument #1 to '%s' (a list of strings is sent, and this table has %s "
                    "'%s', which would be dropped)",
                    function, kind, key);
}

/* table.pack() says how many it packed. */
static bool is_count(lua_State *L) {
  return lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "n") == 0 &&
         lua_isinteger(L, -1);
}

void api_check_list(lua_State *L, int index, const char *function) {
  lua_Integer length = (lua_Integer)lua_rawlen(L, index), count = 0, hole = 1;
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    lua_Integer place = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    int type = lua_type(L, -1);
    if (place < 1 || place > length) {
      if (!is_count(L)) refuse_key(L, function);
      continue;
    }
    count++;
    if (type == LUA_TSTRING || type == LUA_TNUMBER) continue;
    refuse_element(L, function, place, lua_typename(L, type));
  }
  if (count == length) return;
  while (lua_rawgeti(L, index, hole) != LUA_TNIL) {
    lua_pop(L, 1);
    hole++;
  }
  refuse_element(L, function, hole, "nil");
}

size_t api_list_size(lua_State *L, int index) {
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  size_t total = 0;
  for (lua_Integer i = 1; i <= length; i++) {
    size_t size;
    lua_rawgeti(L, index, i);
    lua_tolstring(L, -1, &size); /* of the copy: a number is none in the list then */
    total += size;
    lua_pop(L, 1);
  }
  return total;
}

const char *api_check_text(lua_State *L, int index) {
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  luaL_argcheck(L, strlen(text) == size, index, "contains a NUL byte");
  return text;
}

void *api_check_known(lua_State *L, int index, const char *type_name, size_t size,
                      const void *first) {
  if (lua_rawlen(L, index) == size) {
    void *object = lua_touserdata(L, index);
    if (object && *(const void *const *)object == first) return object;
  }
  return luaL_checkudata(L, index, type_name); /* raises, in the usual words */
}

int api_refuse(lua_State *L) {
  struct place place;
  if (place_read_line(L, &place)) {
    lua_pushfstring(L, "%s:%d: %s", place.file, place.line, lua_tostring(L, -1));
  }
  return lua_error(L);
}

void api_check_object(lua_State *L, int class, const char *object, const char *name) {
  bool is_one = lua_istable(L, 1) && lua_getmetatable(L, 1) && lua_rawequal(L, -1, class);
  if (is_one) {
    lua_pop(L, 1);
    return;
  }
  lua_pushfstring(L, "'%s' is a method: write %s:%s(…), with a colon", name, object, name);
  (void)api_refuse(L);
}
