/* vm/library.h — the Lua part of moonport, embedded in the binary — does not know what it does. */
#pragma once

#include <stddef.h>

/* One module of lua/moonport/. */
struct library_module {
  const char *name; /* "moonport.service" */
  const char *code; /* bytecode of the Lua that is linked in, or source: cmake/EmbedLua.cmake */
  size_t size;
  const char *file; /* "moonport/service.lua" */
};

/* Generated at build time; ends with a name of NULL. */
extern const struct library_module library_modules[];
