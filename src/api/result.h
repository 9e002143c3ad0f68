/* api/result.h — what a handler or a function returns to nobody, for api/ only. */
#pragma once

#include "api/service.h"

/* The first of its results is at `index`. When it looks like something that was to arrive, a string or a table,
 * it is told once for each handler of a version where that ended. Raises. */
void api_tell_result(lua_State *L, enum handler handler, int index);
/* The same of a timer's function, which is at `function`. */
void api_tell_timer_result(lua_State *L, int function, int index);
/* Pushes "on_request (site.lua:3)", of a handler that the service has. Raises. */
const char *api_push_handler_place(lua_State *L, enum handler handler);
