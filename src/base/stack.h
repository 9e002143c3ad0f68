/* base/stack.h — a C stack of known size for what runs on it — does not know what that is. */
#pragma once

enum {
  /* Lua goes 200 C calls deep (LUAI_MAXCCALLS). Until it then says "C stack overflow", recursion takes,
   * in KiB (5.4.4, -O2, x86-64): string.gsub 398, string.format over __tostring 310, load 212,
   * pcall 138, coroutines 119, table.sort 82, require 62; that is 2 KiB a level at the most. */
  STACK_BYTES_MIN = 1024 * 1024,
  STACK_BYTES = 8 * 1024 * 1024,
};

/* Calls body(argc, argv) where there are STACK_BYTES_MIN of stack, and returns what it returned. */
int stack_call(int (*body)(int argc, char **argv), int argc, char **argv);
