/* cli/version.h — which moonport, Lua and libuv this is. */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Three lines; a library that is not the one compiled against shows both versions. */
void version_print(FILE *out);

/* Which Lua runs, "5.4.6"; always terminated. */
void version_lua(char *out, size_t size);

/* The x of the Lua 5.4.x that runs; -1 for another Lua. */
int version_lua_release(void);
