/* vm/where.c — where a state is at this moment, for who must not disturb it. */
#include "vm/where.h"

#include <stdio.h>

enum { LEVELS_MAX = 32 }; /* C functions below which a line of Lua is looked for */

bool vm_where(lua_State *L, char *out, size_t out_size) {
  lua_Debug activation;
  char called[64] = "";
  for (int level = 0; level < LEVELS_MAX && lua_getstack(L, level, &activation); level++) {
    lua_getinfo(L, "Sln", &activation); /* into the struct: it allocates nothing */
    if (activation.currentline > 0) {
      const char *source =
          activation.source[0] == '@' ? activation.source + 1 : activation.short_src;
      snprintf(out, out_size, "%s:%d%s%s", source, activation.currentline,
               called[0] ? ", in the C function " : "", called);
      return true;
    }
    if (!called[0] && activation.name) snprintf(called, sizeof called, "%s", activation.name);
  }
  return false;
}
