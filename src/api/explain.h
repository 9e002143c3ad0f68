/* api/explain.h — what is added to the message of an error that a first guess made. */
#pragma once

#include <lua.h>

/* Called with the coroutine (a light userdata) that ended with an error, and the error's message.
 * Returns the message with what its author may have meant, or nothing. Raises. */
int api_explain(lua_State *L);
