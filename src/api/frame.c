/* api/frame.c — moonport.frame: formats as scripts write them, to cut and to put together. */
#include "api/frame.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/service.h"

#include <lauxlib.h>
#include <string.h>

static const char type_name[] = "moonport.frame";

const char api_frame_starved[] = "there is not enough memory to keep the message";

static const char *const accepted = "\"line\", { line = \"crlf\" }, \"netstring\", { delimiter = "
                                    "\"\\0\" }, { length = \"u16be\" } or "
                                    "{ fixed = 64 }";

/* A whole number from 0 to 255 in a field; -1 for anything else. Missing is `fallback`. */
static int small_field(lua_State *L, int table, const char *name, int fallback) {
  int is_integer = 1;
  lua_Integer value = fallback;
  if (lua_getfield(L, table, name) != LUA_TNIL) value = lua_tointegerx(L, -1, &is_integer);
  lua_pop(L, 1);
  return is_integer && value >= 0 && value <= 255 ? (int)value : -1;
}

static const char *parse_length(lua_State *L, int table, struct frame_format *out) {
  out->kind = FRAME_BY_LENGTH;
  lua_getfield(L, table, "length");
  const char *name = lua_tostring(L, -1);
  if (!name || !frame_format_set_length(out, name)) {
    return frame_length_names;
  }
  int prefix = small_field(L, table, "offset", 0);
  if (prefix < 0 || prefix > FRAME_PREFIX_BYTES_MAX) return "offset must be 0 to 28 bytes";
  out->prefix_size = (uint8_t)prefix;
  int adjust = small_field(L, table, "adjust", 0);
  if (adjust < 0) return "adjust must be 0 to 255 bytes";
  out->adjust = (uint8_t)adjust;
  if (lua_getfield(L, table, "includes_header") == LUA_TBOOLEAN) {
    if (!lua_toboolean(L, -1)) return NULL;
    /* Of a varint, the fault of the whole format. */
    int length_size = out->coding == FRAME_LENGTH_VARINT ? 1 : out->length_size;
    out->header_counted = (uint8_t)(prefix + length_size);
    return NULL;
  }
  int counted = small_field(L, table, "includes_header", 0);
  if (counted < 0)
    return "includes_header must be true, or how many bytes of the header are counted";
  out->header_counted = (uint8_t)counted;
  return NULL;
}

static const char *parse_delimiter(lua_State *L, int table, struct frame_format *out) {
  size_t size;
  lua_getfield(L, table, "delimiter");
  const char *bytes = lua_tolstring(L, -1, &size);
  if (!bytes || size == 0 || size > FRAME_DELIMITER_BYTES_MAX) {
    return "delimiter must be a string of 1 to 64 bytes";
  }
  out->kind = FRAME_BY_DELIMITER;
  memcpy(out->delimiter, bytes, size);
  out->delimiter_size = size;
  return NULL;
}

static const char *parse_line(lua_State *L, int table, struct frame_format *out) {
  lua_getfield(L, table, "line");
  const char *end = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  out->kind = FRAME_BY_LINE;
  out->crlf = strcmp(end, "crlf") == 0;
  return out->crlf || strcmp(end, "lf") == 0 ? NULL : "line must be \"lf\" or \"crlf\"";
}

static const char *parse_fixed(lua_State *L, int table, struct frame_format *out) {
  int is_integer;
  lua_getfield(L, table, "fixed");
  lua_Integer size = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || size < 1) return "fixed must be a number of bytes";
  out->kind = FRAME_BY_SIZE;
  out->fixed_size = (size_t)size;
  return NULL;
}

/* What the table has besides the fields of its kind, each between blanks, would be dropped. */
static const char *check_fields(lua_State *L, int table, const char *key, const char *fields) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    const char *name = luaL_tolstring(L, -2, NULL);
    const char *spaced = lua_pushfstring(L, " %s ", name);
    if (!strstr(fields, spaced)) {
      return lua_pushfstring(L, "a frame with '%s' has no field '%s'", key, name);
    }
    lua_pop(L, 2);
  }
  return NULL;
}

static const char *parse_table(lua_State *L, int table, struct frame_format *out) {
  static const struct {
    const char *key;
    const char *fields;
    const char *(*parse)(lua_State *L, int table, struct frame_format *out);
  } kinds[] = {{"length", " length offset includes_header adjust ", parse_length},
               {"delimiter", " delimiter ", parse_delimiter},
               {"line", " line ", parse_line},
               {"fixed", " fixed ", parse_fixed}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    int type = lua_getfield(L, table, kinds[i].key);
    lua_pop(L, 1);
    if (type == LUA_TNIL) continue;
    const char *fault = check_fields(L, table, kinds[i].key, kinds[i].fields);
    return fault ? fault : kinds[i].parse(L, table, out);
  }
  return lua_pushfstring(L, "write %s", accepted);
}

const char *api_parse_frame(lua_State *L, int index, size_t message_bytes_max,
                            struct frame_format *out) {
  const struct frame_format *object = luaL_testudata(L, index, type_name);
  const char *fault = NULL;
  index = lua_absindex(L, index);
  memset(out, 0, sizeof *out);
  if (object) {
    *out = *object;
  } else if (lua_type(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, index), "line") == 0) {
    out->kind = FRAME_BY_LINE;
  } else if (lua_type(L, index) == LUA_TSTRING &&
             strcmp(lua_tostring(L, index), "netstring") == 0) {
    out->kind = FRAME_BY_NETSTRING;
  } else if (lua_istable(L, index)) {
    fault = parse_table(L, index, out);
  } else {
    fault = lua_pushfstring(L, "write %s", accepted);
  }
  out->message_bytes_max = message_bytes_max;
  return fault ? fault : frame_format_fault(out);
}

const struct frame_format *api_check_frame(lua_State *L, int index, struct frame_format *given) {
  const struct service *service = &version_of(L)->service;
  if (lua_isnoneornil(L, index)) {
    if (service->protocol != PROTOCOL_FRAMES) {
      luaL_argerror(L, index, "the service has no frame: give one, such as \"line\"");
    }
    return &service->frame;
  }
  const char *fault = api_parse_frame(L, index, service->message_bytes_max, given);
  if (fault) luaL_argerror(L, index, fault);
  return given;
}

enum frame_result api_next_message(struct inbox *inbox, const struct frame_format *format,
                                   const char **bytes, struct frame_slice *slice) {
  size_t size;
  *slice = (struct frame_slice){0};
  if (!inbox_view(inbox, bytes, &size)) {
    slice->fault = api_frame_starved;
    return FRAME_TOO_LONG;
  }
  return frame_next(format, &inbox->scanned, *bytes, size, slice);
}

int api_push_message(lua_State *L, const struct frame_format *format, const char *bytes,
                     const struct frame_slice *slice) {
  lua_pushlstring(L, bytes + slice->offset, slice->size);
  if (format->prefix_size == 0 && !slice->is_mark) return 1;
  lua_pushlstring(L, bytes, slice->is_mark ? slice->consumed : format->prefix_size);
  return 2;
}

/* frame.new(format) -> frame: read once what otherwise each call reads again */
static int l_frame_new(lua_State *L) {
  struct frame_format format;
  luaL_checkany(L, 1);
  api_check_count(L, 1, NULL);
  const char *fault = api_parse_frame(L, 1, FRAME_MESSAGE_BYTES_MAX, &format);
  if (fault) return luaL_argerror(L, 1, fault);
  struct frame_format *object = lua_newuserdatauv(L, sizeof *object, 0);
  *object = format;
  luaL_setmetatable(L, type_name);
  return 1;
}

const char *api_push_wrapped(lua_State *L, const struct frame_format *format) {
  size_t size, prefix_size;
  const char *message = luaL_checklstring(L, 2, &size);
  const char *prefix = luaL_optlstring(L, 3, "", &prefix_size);
  struct frame_wrapping wrapping;
  const char *fault = frame_wrap(format, prefix, prefix_size, message, size, &wrapping);
  if (fault) return lua_pushfstring(L, "the message %s", fault);
  lua_pushlstring(L, wrapping.header, wrapping.header_size);
  lua_pushvalue(L, 2);
  lua_pushlstring(L, wrapping.trailer, wrapping.trailer_size);
  lua_concat(L, 3);
  return NULL;
}

/* frame:wrap(message [, prefix]) -> string: what travels */
static int l_frame_wrap(lua_State *L) {
  const struct frame_format *format = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 3, NULL);
  const char *fault = api_push_wrapped(L, format);
  return fault ? luaL_error(L, "%s", fault) : 1;
}

/* frame:split(bytes) -> list of messages, rest | nil, "malformed" or "limit", detail */
static int l_frame_split(lua_State *L) {
  const struct frame_format *format = luaL_checkudata(L, 1, type_name);
  size_t size, scanned = 0;
  const char *bytes = luaL_checklstring(L, 2, &size);
  struct frame_slice slice;
  enum frame_result result;
  api_check_count(L, 2, NULL);
  lua_settop(L, 2);
  lua_newtable(L);
  lua_Integer count = 0;
  while ((result = frame_next(format, &scanned, bytes, size, &slice)) == FRAME_MESSAGE) {
    lua_pushlstring(L, bytes + slice.offset, slice.size);
    lua_rawseti(L, 3, ++count);
    bytes += slice.consumed;
    size -= slice.consumed;
  }
  if (result == FRAME_MORE) {
    lua_pushlstring(L, bytes, size);
    return 2;
  }
  return api_push_failure(L, result == FRAME_TOO_LONG ? "limit" : "malformed", slice.fault);
}

static const luaL_Reg methods[] = {{"wrap", l_frame_wrap}, {"split", l_frame_split}, {NULL, NULL}};

const struct api_type api_frame_type = {.name = type_name, .methods = methods};
const luaL_Reg api_frame_functions[] = {{"new", l_frame_new}, {NULL, NULL}};
