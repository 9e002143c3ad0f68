/* api/option.h — setoption(name, value), getoption(name) of any socket, for api/ only. */
#pragma once

#include <lua.h>

/* With the name at index 2 and the value at 3. Unknown names raise, with the known ones.
 * Return what the method returns. */
int api_setoption(lua_State *L, int fd);
int api_getoption(lua_State *L, int fd);
