/* api/json.c — moonport.json: values of JSON text, by jansson. The text of values is json_encode.c's.
 *
 * What fails is nil and a sentence: text that is no JSON, a value that has no form in JSON, and either
 * of them beyond the bounds of api/json.h, which keep a hostile text from taking more memory than a
 * hundred times its size, and the C stack from its depth. */
#include "api/json.h"

#include "api/arguments.h"
#include "api/modules.h"

#include <jansson.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

const char api_json_array[] = "moonport.json.array";
static const char box_type[] = "moonport.json.box";
static const char no_memory[] = "not enough memory";

/* What is not Lua's memory while something may raise. */
struct box {
  json_t *value;
};

static void empty_box(struct box *box) {
  json_decref(box->value);
  box->value = NULL;
}

static int l_box_gc(lua_State *L) {
  empty_box(lua_touserdata(L, 1));
  return 0;
}

static struct box *new_box(lua_State *L) {
  struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (struct box){0};
  luaL_setmetatable(L, box_type);
  return box;
}

/* When memory is out, it raises, as everything of Lua's does. */
static int refuse(lua_State *L, struct box *box, const char *fault) {
  if (fault == no_memory) return luaL_error(L, "%s", fault);
  luaL_pushfail(L);
  lua_pushstring(L, fault);
  empty_box(box);
  return 2;
}

/* --- Text to values ------------------------------------------------------------------------------ */

static bool push_value(lua_State *L, json_t *value, int depth);

static bool push_array(lua_State *L, json_t *array, int depth) {
  size_t count = json_array_size(array);
  lua_createtable(L, count < INT16_MAX ? (int)count : INT16_MAX, 0);
  luaL_setmetatable(L, api_json_array);
  for (size_t i = 0; i < count; i++) {
    if (!push_value(L, json_array_get(array, i), depth + 1)) return false;
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return true;
}

static bool push_object(lua_State *L, json_t *object, int depth) {
  const char *name;
  json_t *value;
  lua_newtable(L);
  json_object_foreach(object, name, value) {
    lua_pushstring(L, name);
    if (!push_value(L, value, depth + 1)) return false;
    lua_rawset(L, -3);
  }
  return true;
}

/* False: it is nested too deep. Raises. */
static bool push_value(lua_State *L, json_t *value, int depth) {
  luaL_checkstack(L, JSON_SLOTS, "the JSON is nested too deep");
  switch (json_typeof(value)) {
    case JSON_OBJECT: return depth < JSON_DEPTH_MAX && push_object(L, value, depth);
    case JSON_ARRAY: return depth < JSON_DEPTH_MAX && push_array(L, value, depth);
    case JSON_STRING:
      lua_pushlstring(L, json_string_value(value), json_string_length(value));
      break;
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(value)); break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(value)); break;
    case JSON_TRUE: lua_pushboolean(L, true); break;
    case JSON_FALSE: lua_pushboolean(L, false); break;
    case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
  }
  return true;
}

/* json.decode(text) -> value | nil, message */
static int l_decode(lua_State *L) {
  api_check_count(L, 1, NULL);
  const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES;
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  struct box *box = new_box(L);
  json_error_t error;
  if (size > JSON_BYTES_MAX) return refuse(L, box, "the text is longer than 4 MiB");
  box->value = json_loadb(text, size, flags, &error);
  /* Without memory for a token, jansson finds fault with the text: asked again, it may see better. */
  if (!box->value) box->value = json_loadb(text, size, flags, &error);
  if (!box->value) {
    if (!error.text[0] || json_error_code(&error) == json_error_out_of_memory) {
      return refuse(L, box, no_memory);
    }
    luaL_pushfail(L);
    lua_pushfstring(L, "line %d, column %d: %s", error.line, error.column, error.text);
    return 2;
  }
  if (!push_value(L, box->value, 0)) return refuse(L, box, "it is nested deeper than 100 levels");
  empty_box(box);
  return 1;
}

/* --- The module ---------------------------------------------------------------------------------- */

/* json.array([table]) -> the table, which is an array from then on, also when it is empty */
static int l_array(lua_State *L) {
  api_check_count(L, 1, "it takes a table, { a, b }");
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, api_json_array);
  return 1;
}

/* json.is_array(value) -> whether decode() or array() made it one */
static int l_is_array(lua_State *L) {
  api_check_count(L, 1, NULL);
  bool is_marked = lua_istable(L, 1) && lua_getmetatable(L, 1);
  luaL_getmetatable(L, api_json_array);
  lua_pushboolean(L, is_marked && lua_rawequal(L, -1, -2));
  return 1;
}

const luaL_Reg api_json_functions[] = {{"decode", l_decode},
                                       {"encode", api_json_encode},
                                       {"array", l_array},
                                       {"is_array", l_is_array},
                                       {NULL, NULL}};
const struct api_type api_json_box_type = {.name = box_type, .finalizer = l_box_gc};

int api_complete_json(lua_State *L) {
  luaL_newmetatable(L, api_json_array);
  lua_pushstring(L, api_json_array);
  lua_setfield(L, -2, "__metatable"); /* one for all arrays: not for a script to change */
  lua_pop(L, 1);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
