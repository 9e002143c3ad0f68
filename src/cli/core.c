/* cli/core.c — moonport.cli.core: what the commands in Lua need of the terminal and of C. */
#include "api/modules.h"
#include "base/base64.h"
#include "base/text.h"
#include "base/words.h"
#include "cli/in_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Of a new file; what is there and none, a device for example, is taken as it is. */
static int open_new(const char *path) {
  struct stat status;
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_EXCL, 0600);
  if (fd >= 0 || errno != EEXIST) return fd;
  if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) return open(path, O_WRONLY | O_CLOEXEC);
  errno = EEXIST;
  return -1;
}

/* One that others may read already is theirs no more. */
static int open_private(const char *path, int how) {
  struct stat status;
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0600);
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) (void)fchmod(fd, 0600);
  return fd;
}

/* core.open(path, mode) -> a file to write that nobody else may read | nil, message, errno. "w", "a", or
 * "x": it must not be there */
static int l_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  const char *mode = luaL_checkstring(L, 2);
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  *stream = (luaL_Stream){0}; /* closed, until closef is set */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd = *mode == 'x' ? open_new(path) : open_private(path, *mode == 'a' ? O_APPEND : O_TRUNC);
  if (fd < 0) return luaL_fileresult(L, false, NULL);
  stream->f = fdopen(fd, *mode == 'a' ? "a" : "w");
  if (!stream->f) {
    close(fd);
    return luaL_fileresult(L, false, NULL);
  }
  stream->closef = close_file;
  return 1;
}

int core_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"columns", l_columns},
                                       {"is_terminal", l_is_terminal},
                                       {"size", l_size},
                                       {"unbase64", l_unbase64},
                                       {"open", l_open},
                                       {"split", l_split},
                                       {"ending", api_new_ending},
                                       {"editor", editor_new},
                                       {"standard", api_new_standard},
                                       {NULL, NULL}};
  api_open_ending(L);
  editor_open(L);
  luaL_newlib(L, functions);
  return 1;
}
