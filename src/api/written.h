/* api/written.h — a value as somebody would write it in Lua, for people to read. */
#pragma once

#include <lua.h>

/* Pushes the text of the value at `index`: of a table its contents, of what has __tostring that, and a
 * text as it is. May hold newlines. Runs __tostring, and raises what that does. */
const char *api_push_written(lua_State *L, int index, size_t *size);
