/* api/event_line.c — one line of a recording as a Lua table: what trace --record wrote, read back.
 * Does not know which events there are. */
#include "api/event_line.h"

#include "base/base64.h"

#include <jansson.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static const char type_name[] = "moonport.json";

/* Owns what jansson made while Lua may raise. */
static int l_free(lua_State *L) {
  json_t **owned = lua_touserdata(L, 1);
  json_decref(*owned); /* NULL is allowed */
  *owned = NULL;
  return 0;
}

static json_t **push_owner(lua_State *L) {
  json_t **owned = lua_newuserdatauv(L, sizeof *owned, 0);
  *owned = NULL;
  if (luaL_newmetatable(L, type_name)) {
    lua_pushcfunction(L, l_free);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return owned;
}

/* False for what has no place in an event: null, lists, objects. */
static bool push_value(lua_State *L, const json_t *value) {
  switch (json_typeof(value)) {
    case JSON_STRING:
      lua_pushlstring(L, json_string_value(value), json_string_length(value));
      break;
    case JSON_INTEGER: lua_pushinteger(L, (lua_Integer)json_integer_value(value)); break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(value)); break;
    case JSON_TRUE: lua_pushboolean(L, true); break;
    case JSON_FALSE: lua_pushboolean(L, false); break;
    default: return false;
  }
  return true;
}

/* The bytes of a field "base64" as the field "bytes", or false there when it is no base64. */
static void set_bytes(lua_State *L, int table, const json_t *object) {
  const json_t *field = json_object_get(object, "base64");
  if (!json_is_string(field)) return;
  luaL_Buffer buffer;
  size_t size = json_string_length(field);
  char *bytes = luaL_buffinitsize(L, &buffer, BASE64_DECODED_SIZE_MAX(size) + 1);
  ssize_t decoded = base64_decode(json_string_value(field), size, bytes);
  luaL_pushresultsize(&buffer, decoded < 0 ? 0 : (size_t)decoded);
  if (decoded < 0) {
    lua_pop(L, 1);
    lua_pushboolean(L, false);
  }
  lua_setfield(L, table, "bytes");
}

/* read_event(line) -> table of the texts, numbers and booleans in it | nil, fault */
int api_read_event(lua_State *L) {
  size_t size;
  json_error_t error;
  const char *line = luaL_checklstring(L, 1, &size);
  json_t **owned = push_owner(L);
  json_t *object = *owned = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(object)) {
    luaL_pushfail(L);
    lua_pushstring(L, object ? "no object" : error.text);
    return 2;
  }
  const char *key;
  json_t *value;
  lua_createtable(L, 0, (int)json_object_size(object));
  int table = lua_gettop(L);
  json_object_foreach(object, key, value) {
    if (push_value(L, value)) lua_setfield(L, table, key);
  }
  set_bytes(L, table, object);
  return 1;
}
