/* cli/core.c — moonport.cli.core: what the commands in Lua need of the terminal and of C. */
#include "api/modules.h"
#include "base/base64.h"
#include "base/escape.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/words.h"
#include "cli/in_lua.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* core.columns(fd) -> how many the terminal at a descriptor has; nil: it is none, or does not say */
static int l_columns(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  const char *said = getenv("COLUMNS");
  struct winsize size = {0};
  if (!isatty(fd)) return 0;
  long columns = said ? strtol(said, NULL, 10) : 0;
  if (columns <= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  if (columns <= 0) return 0;
  lua_pushinteger(L, columns);
  return 1;
}

/* core.is_terminal(fd) -> boolean */
static int l_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* --- Text ---------------------------------------------------------------------------------------- */

/* On a terminal: 2 for a wide character, 0 for one that joins the one before. */
static size_t cells_of(uint32_t code_point) {
  int cells = code_point < 0x7f ? 1 : wcwidth((wchar_t)code_point);
  return cells < 0 ? 1 : (size_t)cells;
}

/* The first character as it may be shown; *taken is its length, *cells what it needs. */
static size_t show_one(const char *text, size_t size, size_t *taken, size_t *cells,
                       char out[ESCAPE_SIZE_MAX]) {
  uint32_t code_point = 0;
  size_t shown = escape_one(false, text, size, taken, out);
  bool as_it_is = utf8_decode(text, size, &code_point) > 0 && utf8_is_shown(code_point);
  *cells = as_it_is ? cells_of(code_point) : shown;
  return shown;
}

/* core.shown(text [, max]) -> text, cells: what would act on a terminal is \n or \xNN, and so is what
 * is no UTF-8; beyond `max` cells it ends in three dots, which count */
static int l_shown(lua_State *L) {
  enum { DOTS = 3 };
  size_t size, taken = 0, used = 0, cells = 0, cut_at = 0, cut_cells = 0;
  const char *text = luaL_checklstring(L, 1, &size);
  size_t max = (size_t)luaL_optinteger(L, 2, LUA_MAXINTEGER);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (; size > 0 && cells <= max; text += taken, size -= taken) {
    char *place = luaL_prepbuffsize(&out, ESCAPE_SIZE_MAX);
    size_t more;
    used = show_one(text, size, &taken, &more, place);
    luaL_addsize(&out, used);
    cells += more;
    if (cells + DOTS > max) continue;
    cut_at = luaL_bufflen(&out);
    cut_cells = cells;
  }
  if (cells > max) {
    luaL_buffsub(&out, luaL_bufflen(&out) - cut_at);
    luaL_addlstring(&out, "...", DOTS);
    cells = cut_cells + DOTS;
  }
  luaL_pushresult(&out);
  lua_pushinteger(L, (lua_Integer)cells);
  return 2;
}

/* core.bytes(number) -> "1.5 KiB" */
static int l_bytes(lua_State *L) {
  char text[TEXT_UNITS_SIZE_MAX];
  text_format_bytes((uint64_t)luaL_checkinteger(L, 1), text);
  lua_pushstring(L, text);
  return 1;
}

/* core.seconds(number) -> "3 min 5 s" */
static int l_seconds(lua_State *L) {
  static const lua_Number most = 1e15; /* a server may say anything */
  char text[TEXT_UNITS_SIZE_MAX];
  text_format_seconds(fmin(luaL_checknumber(L, 1), most), text);
  lua_pushstring(L, text);
  return 1;
}

/* core.size(text) -> the bytes that "64" or "4K" are; nil: it is no such text */
static int l_size(lua_State *L) {
  size_t size;
  if (text_parse_size(luaL_checkstring(L, 1), &size) != 0) return 0;
  lua_pushinteger(L, size < LUA_MAXINTEGER ? (lua_Integer)size : LUA_MAXINTEGER);
  return 1;
}

/* core.split(line) -> its words, as the server cuts them | nil, message */
static int l_split(lua_State *L) {
  enum { WORDS_MAX = 8 };
  struct word words[WORDS_MAX];
  char fault[160];
  size_t size;
  luaL_Buffer copy;
  const char *line = luaL_checklstring(L, 1, &size);
  char *place = luaL_buffinitsize(L, &copy, size + 1);
  memcpy(place, line, size + 1);
  int count = words_split(place, size, words, WORDS_MAX, fault, sizeof fault);
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    lua_pushlstring(L, words[i].text, words[i].size);
    lua_rawseti(L, -2, i + 1);
  }
  if (count >= 0) return 1;
  luaL_pushfail(L);
  lua_pushstring(L, fault);
  return 2;
}

/* core.unbase64(text) -> bytes; "" for what is none */
static int l_unbase64(lua_State *L) {
  size_t size;
  luaL_Buffer out;
  const char *text = luaL_checklstring(L, 1, &size);
  char *place = luaL_buffinitsize(L, &out, BASE64_DECODED_SIZE_MAX(size) + 1);
  ssize_t bytes = base64_decode(text, size, place);
  luaL_pushresultsize(&out, bytes > 0 ? (size_t)bytes : 0);
  return 1;
}

/* --- Files --------------------------------------------------------------------------------------- */

static int close_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* core.open(path, mode) -> a file to write that nobody else may read | nil, message; "w" or "a" */
static int l_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  const char *mode = luaL_checkstring(L, 2);
  const int what = *mode == 'a' ? O_APPEND : O_TRUNC;
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  *stream = (luaL_Stream){0}; /* closed, until closef is set */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | what, 0600);
  if (fd < 0) return luaL_fileresult(L, false, NULL);
  stream->f = fdopen(fd, mode);
  if (!stream->f) {
    close(fd);
    return luaL_fileresult(L, false, NULL);
  }
  stream->closef = close_file;
  return 1;
}

int core_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"columns", l_columns},   {"is_terminal", l_is_terminal},
                                       {"shown", l_shown},       {"bytes", l_bytes},
                                       {"seconds", l_seconds},   {"size", l_size},
                                       {"unbase64", l_unbase64}, {"open", l_open},
                                       {"split", l_split},       {"ending", api_new_ending},
                                       {"editor", editor_new},   {NULL, NULL}};
  /* Which bytes are a character, and how wide it is: the same under every locale of the user. */
  if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "");
  api_open_ending(L);
  editor_open(L);
  luaL_newlib(L, functions);
  return 1;
}
