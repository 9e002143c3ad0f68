/* api/json.c — moonport.json: values of Lua as JSON text, and back, by jansson.
 *
 * What fails is nil and a sentence: text that is no JSON, a value that has no form in JSON, and either
 * of them beyond the bounds below, which keep a hostile text from taking more memory than a hundred
 * times its size, and the C stack from its depth. */
#include "api/arguments.h"
#include "api/modules.h"
#include "api/values.h"
#include "base/utf8.h"

#include <jansson.h>
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  JSON_BYTES_MAX = 4 * 1024 * 1024,
  JSON_DEPTH_MAX = 100, /* lists and objects inside of each other */
  SLOTS = 4,            /* of Lua's stack, for each level of them */
};

static const char array_type[] = "moonport.json.array";
static const char box_type[] = "moonport.json.box";
static const char no_memory[] = "not enough memory";

/* What is not Lua's memory while something may raise. */
struct box {
  json_t *value;
  char *text;
};

static void empty_box(struct box *box) {
  json_decref(box->value);
  free(box->text);
  *box = (struct box){0};
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
  luaL_setmetatable(L, array_type);
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
  luaL_checkstack(L, SLOTS, "the JSON is nested too deep");
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

/* --- Values to text: nothing here raises --------------------------------------------------------- */

enum { ARRAY_TYPE = 3 }; /* where the metatable of arrays is on the stack of l_encode() */

static json_t *read_value(lua_State *L, int depth, const char **fault);

static bool is_utf8(const char *text, size_t size) {
  uint32_t code_point;
  for (size_t length; size > 0; text += length, size -= length) {
    length = utf8_decode(text, size, &code_point);
    if (length == 0) return false;
  }
  return true;
}

static json_t *read_array(lua_State *L, int depth, const char **fault) {
  json_t *array = json_array();
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    json_t *value = read_value(L, depth + 1, fault);
    lua_pop(L, 1);
    if (json_array_append_new(array, value) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

/* Of the key below the value on top. */
static const char *key_of(lua_State *L, const char **fault) {
  size_t size;
  if (lua_type(L, -2) != LUA_TSTRING) {
    *fault = "a table's keys are neither names nor 1, 2, 3 and so on without a hole";
    return NULL;
  }
  const char *key = lua_tolstring(L, -2, &size);
  if (strlen(key) == size) return key;
  *fault = "a name has a zero byte";
  return NULL;
}

static json_t *read_object(lua_State *L, int depth, const char **fault) {
  json_t *object = json_object();
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    const char *key = key_of(L, fault);
    json_t *value = key ? read_value(L, depth + 1, fault) : NULL;
    bool is_set = value && json_object_set_new(object, key, value) == 0;
    if (value && !is_set) *fault = is_utf8(key, strlen(key)) ? no_memory : "a name is no UTF-8";
    lua_pop(L, is_set ? 1 : 2);
    if (is_set) continue;
    json_decref(object);
    return NULL;
  }
  return object;
}

/* A list, of which every key is a number from 1 on, or a table that json.array() marked. */
static bool is_array(lua_State *L) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (lua_getmetatable(L, -1)) {
    bool is_marked = lua_rawequal(L, -1, ARRAY_TYPE);
    lua_pop(L, 1);
    if (is_marked) return true;
  }
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_isinteger(L, -2) && count-- > 0) continue;
    lua_pop(L, 2);
    return false;
  }
  return lua_rawlen(L, -1) > 0 && count == 0;
}

static json_t *read_table(lua_State *L, int depth, const char **fault) {
  if (depth >= JSON_DEPTH_MAX || !lua_checkstack(L, SLOTS)) {
    *fault = "it is nested deeper than 100 levels, or a table holds itself";
    return NULL;
  }
  return is_array(L) ? read_array(L, depth, fault) : read_object(L, depth, fault);
}

static json_t *read_number(lua_State *L, const char **fault) {
  if (lua_isinteger(L, -1)) return json_integer(lua_tointeger(L, -1));
  lua_Number number = lua_tonumber(L, -1);
  *fault = isfinite(number) ? no_memory : "a number is not finite";
  return json_real(number);
}

static json_t *read_string(lua_State *L, const char **fault) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  *fault = is_utf8(text, size) ? no_memory : "a string is no UTF-8";
  return json_stringn(text, size);
}

/* Of the value on top, which stays. NULL, with a fault. */
static json_t *read_value(lua_State *L, int depth, const char **fault) {
  switch (lua_type(L, -1)) {
    case LUA_TTABLE: return read_table(L, depth, fault);
    case LUA_TSTRING: return read_string(L, fault);
    case LUA_TNUMBER: return read_number(L, fault);
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, -1));
    case LUA_TNIL: *fault = "a list has a hole, or there is no value: write json.null"; return NULL;
    default: break;
  }
  if (lua_islightuserdata(L, -1) && !lua_touserdata(L, -1)) return json_null();
  *fault = "only tables, strings, numbers, booleans and json.null have a form in JSON";
  return NULL;
}

/* json.encode(value) -> text | nil, message */
static int l_encode(lua_State *L) {
  const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS;
  const char *fault = no_memory;
  luaL_checkany(L, 1);
  api_check_count(L, 1, NULL);
  lua_settop(L, 1);
  struct box *box = new_box(L);
  luaL_getmetatable(L, array_type);
  lua_pushvalue(L, 1);
  box->value = read_value(L, 0, &fault);
  if (!box->value) return refuse(L, box, fault);
  size_t size = json_dumpb(box->value, NULL, 0, flags);
  if (size > JSON_BYTES_MAX) return refuse(L, box, "the text is longer than 4 MiB");
  /* Into a buffer of the right size: when one that grows has no room for a name, jansson leaves it
   * out. */
  box->text = size > 0 ? malloc(size) : NULL;
  if (!box->text || json_dumpb(box->value, box->text, size, flags) != size) {
    return refuse(L, box, no_memory);
  }
  lua_pushlstring(L, box->text, size);
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
  luaL_setmetatable(L, array_type);
  return 1;
}

/* json.is_array(value) -> whether decode() or array() made it one */
static int l_is_array(lua_State *L) {
  api_check_count(L, 1, NULL);
  bool is_marked = lua_istable(L, 1) && lua_getmetatable(L, 1);
  luaL_getmetatable(L, array_type);
  lua_pushboolean(L, is_marked && lua_rawequal(L, -1, -2));
  return 1;
}

const luaL_Reg api_json_functions[] = {{"decode", l_decode},
                                       {"encode", l_encode},
                                       {"array", l_array},
                                       {"is_array", l_is_array},
                                       {NULL, NULL}};
const struct api_type api_json_box_type = {.name = box_type, .finalizer = l_box_gc};

int api_complete_json(lua_State *L) {
  luaL_newmetatable(L, array_type);
  lua_pushstring(L, array_type);
  lua_setfield(L, -2, "__metatable"); /* one for all arrays: not for a script to change */
  lua_pop(L, 1);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
