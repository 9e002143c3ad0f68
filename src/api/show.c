/* api/show.c — moonport.show.core: anybody's text and figures as they may be shown to people. Knows
 * neither who shows them nor where. */
#include "api/modules.h"
#include "base/escape.h"
#include "base/text.h"
#include "base/utf8.h"

#include <lauxlib.h>
#include <math.h>
#include <wchar.h>

/* Where each character takes a cell: 2 for a wide one, 0 for one that joins the one before. */
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

/* core.shown(text [, max]) -> text, cells: what would act on who shows it is \n or \xNN, and so is
 * what is no UTF-8; beyond `max` cells it ends in three dots, which count */
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

const luaL_Reg api_show_functions[] = {
    {"shown", l_shown}, {"bytes", l_bytes}, {"seconds", l_seconds}, {NULL, NULL}};
