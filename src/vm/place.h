/* vm/place.h — where a state is, read without touching it — does not know who asks, or why. */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

struct place_names; /* opaque; C functions by their names */

/* All of it may be empty. */
struct place {
  char file[64]; /* as messages of errors name it */
  int line;
  char call
      [32]; /* the C function that runs: "os.execute", or "execute" when it is not known better */
};

/* NULL when memory is out. */
struct place_names *place_names_new(void);
void place_names_free(struct place_names *names);
/* Notes the C functions of the libraries that are loaded, the first time. Raises. */
void place_names_learn(struct place_names *names, lua_State *L);

/* Notes more of them, by `prefix` and their names, unless they are known. */
void place_names_add(struct place_names *names, const char *prefix, const luaL_Reg *functions);

/* The innermost line of the author's; or, and then false, of the library's, or none. Only reads. */
bool place_read_line(lua_State *L, struct place *out);
/* `names` may be NULL. Only reads. */
void place_read(lua_State *L, const struct place_names *names, struct place *out);
/* The same from a signal handler of the thread that runs Lua, which may be anywhere in it. */
void place_read_from_signal(lua_State *L, const struct place_names *names, struct place *out);
