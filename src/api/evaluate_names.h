/* api/evaluate_names.h — what code that somebody types finds by name, for api/ only. */
#pragma once

#include <lua.h>

/* Replaces the function on top, its `print`, by a table to be its _ENV: the helpers, the script's
 * local variables that its handlers use, and its globals, in this order; an assignment goes where
 * the name is found, or else to the globals. Raises. */
void api_push_names(lua_State *L);
