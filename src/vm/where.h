/* vm/where.h — where a state is at this moment, for who must not disturb it. */
#ifndef MOONPORT_VM_WHERE_H
#define MOONPORT_VM_WHERE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes "scripts/echo.lua:7, in the C function find" to `out`, from inside of a signal handler on
 * the thread that runs `L`; nothing of it asks for memory. False when no line of Lua is under way. */
bool vm_where(lua_State *L, char *out, size_t out_size);

#endif
