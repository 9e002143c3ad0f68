/* server/program.h — a plain Lua program with moonport's modules, from its first line to its end. */
#pragma once

#include <stddef.h>

struct lua_State;

struct program_options {
  struct log *log;
  const char *code; /* Lua text instead of a file; NULL: words[0] is the file, "-" is stdin */
  const char *const *words; /* the file, unless there is `code`, then its arguments */
  size_t word_count;
  /* NULL, or pushes further arguments, and returns how many. Raises. */
  int (*push)(struct lua_State *L, const void *context);
  const void *context;
  const struct grants *grants; /* what it has; NULL: everything, as under lua(1) */
  const char *lua_dir;         /* as in server/server.h */
};

/* Runs it until it and its tasks have ended. Returns its exit code: 0, 1 after an error that nobody
 * caught, or what it gave to os.exit(). */
int program_run(const struct program_options *options);
