/* api/written.c — a value as somebody would write it in Lua, for people to read. Does not know who asked.
 *
 * No metamethod runs but __tostring, whose text stands for what has one. All is bounded: entries of a
 * table, tables within tables, bytes of a text. */
#include "api/written.h"

#include "base/utf8.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
  ENTRIES_MAX = 100, /* of a table, in its list and as many beside it */
  ALL_ENTRIES_MAX = 1000,
  DEPTH_MAX = 6,
  TEXT_BYTES_MAX = 1000,
  LINE_BYTES = 76, /* what is longer has a line for each entry */
  STACK_NEEDED = 12,
};

/* The tables that one is within, itself included. */
struct path {
  const struct path *above; /* NULL: none */
  const void *table;
  int depth;
  lua_Unsigned *left; /* entries that may be written yet, of all tables together */
};

static void push_written(lua_State *L, int index, const struct path *above, lua_Unsigned *left);

/* --- Texts --------------------------------------------------------------------------------------- */

/* A byte that is not plain, as Lua takes it. `next` is what follows: a digit would belong to it. */
static void add_escape(luaL_Buffer *out, unsigned char byte, char next) {
  static const char plain[] = "\n\r\t\"\\", letters[] = "nrt\"\\";
  const char *found = byte ? strchr(plain, byte) : NULL;
  char text[8];
  if (found) {
    snprintf(text, sizeof text, "\\%c", letters[found - plain]);
  } else {
    snprintf(text, sizeof text, isdigit((unsigned char)next) ? "\\%03u" : "\\%u", byte);
  }
  luaL_addstring(out, text);
}

static void push_quoted(lua_State *L, int index) {
  size_t size, used = 0;
  const char *text = lua_tolstring(L, index, &size);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  luaL_addchar(&out, '"');
  while (used < size && used < TEXT_BYTES_MAX) {
    uint32_t code_point;
    size_t length = utf8_decode(text + used, size - used, &code_point);
    if (length > 0 && utf8_is_shown(code_point) && code_point != '"' && code_point != '\\') {
      luaL_addlstring(&out, text + used, length);
      used += length;
      continue;
    }
    add_escape(&out, (unsigned char)text[used], used + 1 < size ? text[used + 1] : '\0');
    used++;
  }
  luaL_addstring(&out, used < size ? "...\"" : "\"");
  luaL_pushresult(&out);
}

static bool is_name(const char *text, size_t size) {
  static const char *const reserved[] = {"and",   "break", "do",       "else", "elseif", "end",
                                         "false", "for",   "function", "goto", "if",     "in",
                                         "local", "nil",   "not",      "or",   "repeat", "return",
                                         "then",  "true",  "until",    "while"};
  if (size == 0 || isdigit((unsigned char)*text)) return false;
  for (size_t i = 0; i < size; i++) {
    if (!isalnum((unsigned char)text[i]) && text[i] != '_') return false;
  }
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    if (strcmp(text, reserved[i]) == 0) return false;
  }
  return true;
}

/* "name = ", or "[1.5] = " */
static void push_key(lua_State *L, int index) {
  size_t size;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
  if (text && is_name(text, size)) {
    lua_pushfstring(L, "%s = ", text);
    return;
  }
  if (text) {
    push_quoted(L, index);
  } else {
    luaL_tolstring(L, index, NULL);
  }
  lua_pushliteral(L, "[");
  lua_insert(L, -2);
  lua_pushliteral(L, "] = ");
  lua_concat(L, 3);
}

/* --- Keys ---------------------------------------------------------------------------------------- */

static int rank_of(int type) {
  return type == LUA_TNUMBER ? 0 : type == LUA_TSTRING ? 1 : type == LUA_TBOOLEAN ? 2 : 3 + type;
}

static bool comes_before(lua_State *L, int one, int other) {
  int type = lua_type(L, one), other_type = lua_type(L, other);
  if (type != other_type) return rank_of(type) < rank_of(other_type);
  if (type == LUA_TNUMBER || type == LUA_TSTRING) return lua_compare(L, one, other, LUA_OPLT);
  if (type == LUA_TBOOLEAN) return !lua_toboolean(L, one) && lua_toboolean(L, other);
  return lua_topointer(L, one) < lua_topointer(L, other);
}

/* Puts the key on top, which it pops, among the first `count` of the sorted list at `keys`. */
static int keep_key(lua_State *L, int keys, int count) {
  int key = lua_gettop(L), at = count;
  for (; at > 0; at--) {
    lua_rawgeti(L, keys, at);
    bool is_before = comes_before(L, key, -1);
    lua_pop(L, 1);
    if (!is_before) break;
  }
  if (at < ENTRIES_MAX) {
    if (count < ENTRIES_MAX) count++;
    for (int i = count; i > at + 1; i--) {
      lua_rawgeti(L, keys, i - 1);
      lua_rawseti(L, keys, i);
    }
    lua_pushvalue(L, key);
    lua_rawseti(L, keys, at + 1);
  }
  lua_pop(L, 1);
  return count;
}

static bool is_of_list(lua_State *L, int index, lua_Unsigned size) {
  return lua_isinteger(L, index) && (lua_Unsigned)lua_tointeger(L, index) - 1 < size;
}

/* The first keys that are not of the list; *count is how many there are in all. */
static void push_keys(lua_State *L, int table, lua_Unsigned list_size, lua_Unsigned *count) {
  int kept = 0;
  lua_newtable(L);
  int keys = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (is_of_list(L, -1, list_size)) continue;
    ++*count;
    lua_pushvalue(L, -1);
    kept = keep_key(L, keys, kept);
  }
}

/* --- Tables -------------------------------------------------------------------------------------- */

/* The pieces in one line, if that is short enough, or in a line each. */
static void push_joined(lua_State *L, int pieces, int depth) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, pieces);
  size_t total = 2 * (size_t)depth + 2, indent = 2 * (size_t)depth;
  bool is_broken = false;
  for (lua_Integer i = 1; i <= count; i++) {
    size_t size;
    lua_rawgeti(L, pieces, i);
    const char *text = lua_tolstring(L, -1, &size);
    is_broken = is_broken || strchr(text, '\n');
    total += size + 2;
    lua_pop(L, 1);
  }
  is_broken = is_broken || total > LINE_BYTES;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  luaL_addchar(&out, '{');
  for (lua_Integer i = 1; i <= count; i++) {
    if (i > 1) luaL_addstring(&out, is_broken ? "," : ", ");
    if (is_broken) luaL_addchar(&out, '\n');
    for (size_t j = 0; is_broken && j < indent + 2; j++) luaL_addchar(&out, ' ');
    lua_rawgeti(L, pieces, i);
    luaL_addvalue(&out);
  }
  if (is_broken) luaL_addchar(&out, '\n');
  for (size_t j = 0; is_broken && j < indent; j++) luaL_addchar(&out, ' ');
  luaL_addchar(&out, '}');
  luaL_pushresult(&out);
}

/* How many of `count` entries are written. */
static lua_Unsigned take(lua_Unsigned count, const struct path *path) {
  if (count > ENTRIES_MAX) count = ENTRIES_MAX;
  if (count > *path->left) count = *path->left;
  *path->left -= count;
  return count;
}

static void push_table(lua_State *L, int table, const struct path *path) {
  lua_Unsigned size = lua_rawlen(L, table), others = 0, shown = take(size, path);
  lua_newtable(L);
  int pieces = lua_gettop(L);
  lua_Integer count = 0;
  for (lua_Unsigned i = 1; i <= shown; i++) {
    lua_rawgeti(L, table, (lua_Integer)i);
    push_written(L, lua_gettop(L), path, path->left);
    lua_rawseti(L, pieces, ++count);
    lua_pop(L, 1);
  }
  push_keys(L, table, size, &others);
  int keys = lua_gettop(L);
  lua_Unsigned kept = take(others, path);
  for (lua_Integer i = 1; i <= (lua_Integer)kept; i++) {
    lua_rawgeti(L, keys, i);
    push_key(L, lua_gettop(L));
    lua_pushvalue(L, -2);
    lua_rawget(L, table);
    push_written(L, lua_gettop(L), path, path->left);
    lua_remove(L, -2);
    lua_concat(L, 2);
    lua_rawseti(L, pieces, ++count);
    lua_pop(L, 1);
  }
  lua_Unsigned more = size - shown + others - kept;
  if (more > 0) {
    lua_pushfstring(L, "... %I more", (LUAI_UACINT)more);
    lua_rawseti(L, pieces, ++count);
  }
  push_joined(L, pieces, path->depth);
  lua_replace(L, pieces);
  lua_settop(L, pieces);
}

static bool has_text(lua_State *L, int index) {
  for (int i = 0; i < 2; i++) {
    if (luaL_getmetafield(L, index, i ? "__name" : "__tostring") == LUA_TNIL) continue;
    lua_pop(L, 1);
    return true;
  }
  return false;
}

static void push_written(lua_State *L, int index, const struct path *above, lua_Unsigned *left) {
  luaL_checkstack(L, STACK_NEEDED, NULL);
  if (lua_type(L, index) == LUA_TSTRING) {
    push_quoted(L, index);
    return;
  }
  if (!lua_istable(L, index) || has_text(L, index)) {
    luaL_tolstring(L, index, NULL);
    return;
  }
  const struct path path = {above, lua_topointer(L, index), above ? above->depth + 1 : 0, left};
  const struct path *each = above;
  while (each && each->table != path.table) each = each->above;
  if (each) {
    lua_pushliteral(L, "<cycle>");
  } else if (path.depth == DEPTH_MAX) {
    lua_pushliteral(L, "{...}");
  } else {
    push_table(L, index, &path);
  }
}

const char *api_push_written(lua_State *L, int index, size_t *size) {
  lua_Unsigned left = ALL_ENTRIES_MAX;
  index = lua_absindex(L, index);
  if (lua_type(L, index) == LUA_TSTRING) {
    lua_pushvalue(L, index);
  } else {
    push_written(L, index, NULL, &left);
  }
  return lua_tolstring(L, -1, size);
}
