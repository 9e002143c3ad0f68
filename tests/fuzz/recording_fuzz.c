/* recording_fuzz.c — any bytes as a recording for moonport replay — opens no file and no socket.
 *
 * Its work is done in Lua (recording_fuzz.lua), in a plain state with moonport's library. libFuzzer
 * sees C alone, so a hook counts the lines of Lua that run, and what leads to another one is kept. */
#include "fuzz.h"

#include "api/modules.h"
#include "vm/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 8192, COUNTERS = 4096 };

/* Where libFuzzer looks for what else is to be counted. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static void on_line(lua_State *L, lua_Debug *debug) {
  lua_getinfo(L, "S", debug);
  uint32_t place = (uint32_t)debug->currentline * 2654435761u;
  for (const char *c = debug->short_src; *c; c++) place = place * 31 + (uint8_t)*c;
  uint8_t *counter = &counters[(place >> 7) % COUNTERS];
  if (*counter < UINT8_MAX) (*counter)++;
}

static int search_library(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  for (const struct library_module *module = library_modules; module->name; module++) {
    if (strcmp(module->name, name) != 0) continue;
    char chunk[256];
    (void)snprintf(chunk, sizeof chunk, "@%s", module->file);
    if (luaL_loadbufferx(L, module->source, module->size, chunk, "t") != LUA_OK) lua_error(L);
    return 1;
  }
  return 0;
}

static void set_library(lua_State *L) {
  luaL_requiref(L, "moonport.test.core", api_open_testing, 0);
  lua_pop(L, 1);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushcfunction(L, search_library);
  lua_rawseti(L, -2, 2); /* in place of the one that looks for files */
  lua_pop(L, 2);
}

static void must_run(lua_State *L, int rc) {
  if (rc == LUA_OK) return;
  (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
  abort();
}

/* A state with the function that reads one recording at index 1. */
static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  MUST(L != NULL);
  luaL_openlibs(L);
  set_library(L);
  must_run(L, luaL_loadfilex(L, FUZZ_SOURCE_DIR "/recording_fuzz.lua", "t"));
  must_run(L, lua_pcall(L, 0, 1, 0));
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (size > INPUT_BYTES_MAX) return -1;
  if (!L) L = open_state();
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)data, size);
  lua_pushliteral(L, FUZZ_SOURCE_DIR "/echo.lua");
  must_run(L, lua_pcall(L, 2, 0, 0));
  return 0;
}
