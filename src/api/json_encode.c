/* api/json_encode.c — json.encode(): values of Lua as JSON text. Reads none.
 *
 * By hand, for each answer of a web service is one: a tree of jansson's, made of the values and written
 * then, takes four times as long. Nothing here raises or runs anything of Lua's until the text is whole,
 * so that no table changes meanwhile. */
#include "api/arguments.h"
#include "api/json.h"
#include "api/modules.h"
#include "base/grow.h"
#include "base/text.h"
#include "base/utf8.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_FIRST = 1024 }; /* bytes */
enum { ARRAY_TYPE = 3 };    /* where the metatable of arrays is on the stack of api_json_encode() */

static const char type_name[] = "moonport.json.writer";
static const char no_memory[] = "not enough memory";

/* One name of an object, with its value and a comma: "name":1, */
struct entry {
  const char *name;
  size_t name_size;
  size_t start; /* in the text of the object, behind its brace */
  size_t size;
};

struct writer {
  char *text;
  size_t size;
  size_t capacity;
  struct entry *entries; /* of the objects that are being written, the innermost last */
  size_t entry_count;
  size_t entry_capacity;
  const char *fault;
};

static bool fail(struct writer *writer, const char *fault) {
  writer->fault = fault;
  return false;
}

static bool reserve(struct writer *writer, size_t more) {
  if (more <= writer->capacity - writer->size) return true;
  return grow_bytes(&writer->text, &writer->capacity, writer->size + more, TEXT_FIRST) ||
         fail(writer, no_memory);
}

static bool put(struct writer *writer, const char *text, size_t size) {
  if (size > JSON_BYTES_MAX - writer->size) return fail(writer, "the text is longer than 4 MiB");
  if (size == 0) return true;
  if (!reserve(writer, size)) return false;
  assert(writer->text);
  memcpy(writer->text + writer->size, text, size);
  writer->size += size;
  return true;
}

/* --- Strings --------------------------------------------------------------------------------- */

/* How many bytes at the start stand in JSON as they are. */
static size_t plain_size(const char *text, size_t size, bool *is_utf8) {
  uint32_t code_point;
  for (size_t i = 0, length; i < size; i += length) {
    unsigned char byte = (unsigned char)text[i];
    if (byte < ' ' || byte == '"' || byte == '\\') return i;
    length = byte < 0x80 ? 1 : utf8_decode(text + i, size - i, &code_point);
    if (length > 0) continue;
    *is_utf8 = false;
    return i;
  }
  return size;
}

static bool put_escaped(struct writer *writer, char byte) {
  static const char letters[] = "btn\0fr"; /* from \b on */
  char unit[] = "\\u00..";
  char letter = byte >= '\b' && byte <= '\r' ? letters[byte - '\b'] : '\0';
  if (byte == '"' || byte == '\\') letter = byte;
  unit[1] = letter ? letter : 'u';
  unit[4] = (char)('0' + (byte >> 4));
  unit[5] = "0123456789abcdef"[byte & 15];
  return put(writer, unit, letter ? 2 : 6);
}

static bool put_string(struct writer *writer, const char *text, size_t size, const char *fault) {
  bool is_utf8 = true;
  if (!put(writer, "\"", 1)) return false;
  for (size_t plain; size > 0; text += plain + 1, size -= plain + 1) {
    plain = plain_size(text, size, &is_utf8);
    if (!is_utf8) return fail(writer, fault);
    if (!put(writer, text, plain)) return false;
    if (plain == size) break;
    if (!put_escaped(writer, text[plain])) return false;
  }
  return put(writer, "\"", 1);
}

/* --- Numbers --------------------------------------------------------------------------------- */

static size_t format_integer(lua_Integer integer, char *out) {
  char *end = out;
  uint64_t number = (uint64_t)integer;
  if (integer < 0) *end++ = '-';
  if (integer < 0) number = 0 - number;
  return (size_t)(end - out) + text_format_number(number, 1, end);
}

/* No more digits than it takes to be the same number, 0.1; and such that it is read as a float again. */
static size_t format_float(lua_Number number, char *out, size_t out_size) {
  static const lua_Number whole_max = 1e15;
  size_t size = 0;
  if (fabs(number) < whole_max && number == floor(number) && !(number == 0 && signbit(number))) {
    size = format_integer((lua_Integer)number, out);
  } else {
    for (int digits = 15; digits <= 17; digits++) { /* which are always enough */
      size = (size_t)snprintf(out, out_size, "%.*g", digits, number);
      if (strtod(out, NULL) == number) break;
    }
    char *comma = strchr(out, ','); /* of a locale */
    if (comma) *comma = '.';
    if (out[strcspn(out, ".e")]) return size;
  }
  memcpy(out + size, ".0", 3);
  return size + 2;
}

static bool put_number(lua_State *L, struct writer *writer) {
  char text[40];
  size_t size;
  if (lua_isinteger(L, -1)) {
    size = format_integer(lua_tointeger(L, -1), text);
  } else {
    lua_Number number = lua_tonumber(L, -1);
    if (!isfinite(number)) return fail(writer, "a number is not finite");
    size = format_float(number, text, sizeof text);
  }
  return put(writer, text, size);
}

/* --- Tables ---------------------------------------------------------------------------------- */

static bool put_value(lua_State *L, struct writer *writer, int depth);

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

static bool put_array(lua_State *L, struct writer *writer, int depth) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (!put(writer, "[", 1)) return false;
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    if ((i > 1 && !put(writer, ",", 1)) || !put_value(L, writer, depth + 1)) return false;
    lua_pop(L, 1);
  }
  return put(writer, "]", 1);
}

static bool add_entry(struct writer *writer, const struct entry *entry) {
  if (writer->entry_count == writer->entry_capacity) {
    size_t capacity = writer->entry_capacity ? 2 * writer->entry_capacity : 32;
    struct entry *entries = realloc(writer->entries, capacity * sizeof *entries);
    if (!entries) return fail(writer, no_memory);
    writer->entries = entries;
    writer->entry_capacity = capacity;
  }
  writer->entries[writer->entry_count++] = *entry;
  return true;
}

static int compare_entries(const void *one, const void *other) {
  const struct entry *a = one, *b = other;
  size_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
  int order = memcmp(a->name, b->name, size);
  return order ? order : (a->name_size > b->name_size) - (a->name_size < b->name_size);
}

/* Brings the text from `start` on, of `count` entries, in the order of their names. */
static bool sort_entries(struct writer *writer, struct entry *entries, size_t count, size_t start) {
  size_t sorted = 1, size = writer->size - start;
  while (sorted < count && compare_entries(&entries[sorted - 1], &entries[sorted]) < 0) sorted++;
  if (sorted >= count) return true;
  if (!reserve(writer, size)) return false;
  qsort(entries, count, sizeof *entries, compare_entries);
  char *text = writer->text + start, *end = writer->text + writer->size;
  for (size_t i = 0; i < count; end += entries[i].size, i++) {
    memcpy(end, text + entries[i].start, entries[i].size);
  }
  memcpy(text, writer->text + writer->size, size);
  return true;
}

/* Of the key below the value on top: `"name":`. */
static bool put_name(lua_State *L, struct writer *writer, struct entry *entry) {
  if (lua_type(L, -2) != LUA_TSTRING) {
    return fail(writer, "a table's keys are neither names nor 1, 2, 3 and so on without a hole");
  }
  entry->name = lua_tolstring(L, -2, &entry->name_size);
  if (memchr(entry->name, '\0', entry->name_size)) return fail(writer, "a name has a zero byte");
  return put_string(writer, entry->name, entry->name_size, "a name is no UTF-8") &&
         put(writer, ":", 1);
}

static bool put_object(lua_State *L, struct writer *writer, int depth) {
  size_t first = writer->entry_count;
  if (!put(writer, "{", 1)) return false;
  size_t start = writer->size;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    struct entry entry = {.start = writer->size - start};
    if (!put_name(L, writer, &entry) || !put_value(L, writer, depth + 1)) return false;
    if (!put(writer, ",", 1)) return false;
    entry.size = writer->size - start - entry.start;
    if (!add_entry(writer, &entry)) return false;
  }
  size_t count = writer->entry_count - first;
  writer->entry_count = first;
  if (count == 0) return put(writer, "}", 1);
  if (!sort_entries(writer, writer->entries + first, count, start)) return false;
  writer->text[writer->size - 1] = '}'; /* the last comma */
  return true;
}

static bool put_table(lua_State *L, struct writer *writer, int depth) {
  if (depth >= JSON_DEPTH_MAX || !lua_checkstack(L, JSON_SLOTS)) {
    return fail(writer, "it is nested deeper than 100 levels, or a table holds itself");
  }
  return is_array(L) ? put_array(L, writer, depth) : put_object(L, writer, depth);
}

static bool put_text(lua_State *L, struct writer *writer) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  return put_string(writer, text, size, "a string is no UTF-8");
}

/* Of the value on top, which stays. False, with a fault. */
static bool put_value(lua_State *L, struct writer *writer, int depth) {
  switch (lua_type(L, -1)) {
    case LUA_TTABLE: return put_table(L, writer, depth);
    case LUA_TSTRING: return put_text(L, writer);
    case LUA_TNUMBER: return put_number(L, writer);
    case LUA_TBOOLEAN:
      return lua_toboolean(L, -1) ? put(writer, "true", 4) : put(writer, "false", 5);
    case LUA_TNIL: return fail(writer, "a list has a hole, or there is no value: write json.null");
    default: break;
  }
  if (lua_islightuserdata(L, -1) && !lua_touserdata(L, -1)) return put(writer, "null", 4);
  return fail(writer, "only tables, strings, numbers, booleans and json.null have a form in JSON");
}

/* --- The call -------------------------------------------------------------------------------- */

static void empty_writer(struct writer *writer) {
  free(writer->text);
  free(writer->entries);
  *writer = (struct writer){0};
}

static int l_writer_gc(lua_State *L) {
  empty_writer(lua_touserdata(L, 1));
  return 0;
}

int api_json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  api_check_count(L, 1, NULL);
  lua_settop(L, 1);
  struct writer *writer = lua_newuserdatauv(L, sizeof *writer, 0);
  *writer = (struct writer){0};
  luaL_setmetatable(L, type_name);
  luaL_getmetatable(L, api_json_array);
  lua_pushvalue(L, 1);
  if (put_value(L, writer, 0)) {
    lua_pushlstring(L, writer->text, writer->size);
    empty_writer(writer);
    return 1;
  }
  const char *fault = writer->fault;
  empty_writer(writer);
  if (fault == no_memory) return luaL_error(L, "%s", fault);
  luaL_pushfail(L);
  lua_pushstring(L, fault);
  return 2;
}

const struct api_type api_json_writer_type = {.name = type_name, .finalizer = l_writer_gc};
