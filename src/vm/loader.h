/* vm/loader.h — a Lua source file, read whole and compiled — does not know what it is for. */
#pragma once

#include <lua.h>

/* A source file larger than this is a mistake. */
enum { LOADER_BYTES_MAX = 16 * 1024 * 1024 };

/* Like luaL_loadfilex(): pushes the chunk and returns LUA_OK, or pushes a message that
 * starts with the path. Only regular files; a directory, a FIFO or a device is an error and never
 * blocks. Binary chunks only where the operator allows them. Raises only when memory is out. */
int loader_load(lua_State *L, const char *path);
/* Tells whoever follows the script's sources (vm_options.on_source) that this is one of them.
 * `bytes` is NULL for a file that could not be read. */
void loader_note_source(lua_State *L, const char *path, const char *bytes, size_t size);
/* Tells whoever follows the sources that looking for one came to nothing for want of descriptors, or
 * the like. */
void loader_note_shortage(lua_State *L, int error);
