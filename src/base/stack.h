/* base/stack.h — a C stack of known size for what runs on it — does not know what that is. */
#ifndef MOONPORT_BASE_STACK_H
#define MOONPORT_BASE_STACK_H

#include <stddef.h>

enum {
  /* Lua goes 200 C calls deep (LUAI_MAXCCALLS), and a recursive string.gsub takes more than 1 KiB for
   * each: with 256 KiB in all it faults. */
  STACK_BYTES_MIN = 1024 * 1024,
  STACK_BYTES = 8 * 1024 * 1024,
};

/* Calls body(argument) where there are STACK_BYTES_MIN of stack, and returns what it returned. */
int stack_call(int (*body)(void *argument), void *argument);

#endif
