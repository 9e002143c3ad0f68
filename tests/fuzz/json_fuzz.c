/* json_fuzz.c — any bytes as a text for json.decode(), and as values for json.encode(). Does not know JSON.
 *
 * What it knows is what must always be: a text that is taken means to Lua what it means to jansson, so
 * that what Lua makes of it, written again, is the same tree for jansson; writing that once more changes
 * nothing; and a string is written as text that reads as the same string, or refused.
 *
 * An input is a text; or a zero byte, and then the bytes of a string, which is a name and a value. */
#include "expect.h"
#include "fuzz.h"

#include "api/modules.h"

#include <jansson.h>
#include <lauxlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 4096 };

static const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES;

static void make_type(lua_State *L, const struct api_type *type) {
  luaL_newmetatable(L, type->name);
  lua_pushcfunction(L, type->finalizer);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

/* With decode at 1 and encode at 2. */
static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  MUST(L != NULL);
  make_type(L, &api_json_box_type);
  make_type(L, &api_json_writer_type);
  lua_newtable(L);
  luaL_setfuncs(L, api_json_functions, 0);
  api_complete_json(L);
  lua_getfield(L, 1, "decode");
  lua_getfield(L, 1, "encode");
  lua_remove(L, 1);
  return L;
}

/* Calls the function at `function` with what is on top, which leaves; true when it gave a value, on top. */
static bool call(lua_State *L, int function) {
  lua_pushvalue(L, function);
  lua_insert(L, -2);
  MUST(lua_pcall(L, 1, 2, 0) == LUA_OK);
  bool gave = lua_isnil(L, -1);
  MUST(gave || (lua_isnil(L, -2) && lua_type(L, -1) == LUA_TSTRING));
  if (gave) lua_pop(L, 1);
  return gave;
}

/* Writes the value on top, and again what that is read as. Leaves the text. */
static const char *write_twice(lua_State *L, size_t *size) {
  MUST(call(L, 2));
  lua_pushvalue(L, -1);
  MUST(call(L, 1));
  MUST(call(L, 2));
  MUST(lua_rawequal(L, -1, -2));
  lua_pop(L, 1);
  return lua_tolstring(L, -1, size);
}

static void try_text(lua_State *L, const char *text, size_t size) {
  json_error_t error;
  json_t *tree = json_loadb(text, size, flags, &error);
  lua_pushlstring(L, text, size);
  bool is_taken = call(L, 1);
  MUST(!is_taken || tree);
  if (is_taken) {
    size_t written_size;
    const char *written = write_twice(L, &written_size);
    json_t *again = json_loadb(written, written_size, flags, &error);
    MUST(again && json_equal(tree, again));
    json_decref(again);
  }
  json_decref(tree);
}

static void try_string(lua_State *L, const char *bytes, size_t size) {
  bool is_utf8 = true, has_zero = size > 0 && memchr(bytes, '\0', size);
  for (size_t i = 0, length; i < size && is_utf8; i += length) {
    length = expect_utf8((const uint8_t *)bytes + i, size - i);
    is_utf8 = length > 0;
  }
  lua_pushlstring(L, bytes, size);
  MUST(call(L, 2) == is_utf8);
  if (is_utf8) {
    MUST(call(L, 1));
    MUST(lua_rawlen(L, -1) == size && memcmp(lua_tostring(L, -1), bytes, size) == 0);
  }
  lua_newtable(L);
  lua_pushlstring(L, bytes, size);
  lua_pushvalue(L, -1);
  lua_rawset(L, -3);
  MUST(call(L, 2) == (is_utf8 && !has_zero));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (size > INPUT_BYTES_MAX) return -1;
  if (!L) L = new_state();
  bool is_string = size > 0 && data[0] == '\0';
  char *copy = copy_text((const char *)data + is_string, size - is_string);
  if (is_string) {
    try_string(L, copy, size - is_string);
  } else {
    try_text(L, copy, size);
  }
  free(copy);
  lua_settop(L, 2);
  return 0;
}
