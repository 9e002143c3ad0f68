/* vm/vm.h — one Lua state: made, limited and entered. Knows Lua, not libuv. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct grants;      /* base/grants.h */
struct home;        /* base/home.h */
struct vm;          /* opaque */
struct vm_watchdog; /* vm/watchdog.h */

struct vm_options {
  struct vm_watchdog *watchdog; /* NULL: no CPU budget */
  const char *script_dir;       /* first in package.path */
  const char *lua_dir;          /* read the library from here instead of the binary; NULL: do not */
  bool unsafe;                  /* debug.sethook, binary chunks, package.loadlib */
  const struct home *home;     /* by which relative paths of modules go; NULL: by where it is now */
  const struct grants *grants; /* what of the machine the script has; NULL: everything */
  lua_CFunction furnish;       /* completes each world, and runs in it; may raise */
  /* A file of Lua source was read, or (`bytes` is NULL) could not be. */
  void (*on_source)(void *context, const char *path, const char *bytes, size_t size);
  /* What counts in place of a file of Lua source; NULL: the file. As an option NULL: always that. */
  const char *(*find_text)(void *context, const char *path, size_t *size);
  /* One could not be read for a reason that is not the file's (file_error_is_passing()), an errno. */
  void (*on_shortage)(void *context, int error);
  /* lua_warning, and errors in finalizers: one whole line. */
  void (*warn)(void *context, const char *text, size_t size);
  /* explain(coroutine, message) -> a message that says more of the error that the coroutine (a light
   * userdata) ended with, or nothing. NULL: nobody knows more. */
  lua_CFunction explain;
  /* os.exit(code), which must not return; NULL: a script may not. */
  void (*exit)(void *context, int code);
  void *context; /* for warn, exit, and for whoever asks vm_context() */
};

/* What the state may use. */
struct vm_budget {
  size_t memory_bytes_max;
  unsigned cpu_ms_max; /* per entry; 0: no limit */
};

/* A state with nothing in it yet: vm/world.h gives a script its libraries, sandboxed as `options`
 * says. NULL when memory is out. */
struct vm *vm_new(const struct vm_options *options, const struct vm_budget *budget);
/* One more in the state of `host`, with worlds, tasks and a budget of time of its own; memory is of the
 * state. A state is entered by one of them at a time, as always. To be freed before `host`, when no
 * world of it is left. NULL when memory is out. */
struct vm *vm_new_inside(struct vm *host, const struct vm_options *options,
                         const struct vm_budget *budget);
/* Runs finalizers, if the state is its own; nothing of it may be running or called afterwards. */
void vm_free(struct vm *vm);

void vm_set_budget(struct vm *vm, const struct vm_budget *budget);
const struct vm_budget *vm_budget(const struct vm *vm);
/* Whether a call that failed with that errno may be tried again: descriptors are out, and those of what
 * nobody can use any more have been given back. Raises. */
bool vm_free_descriptors(lua_State *L, int error);
/* That is why finalizers run now. */
bool vm_is_freeing_descriptors(const struct vm *vm);
/* Does a little of the collector's work; true when that ended a cycle. */
bool vm_collect_step(struct vm *vm);
/* The script has less to keep: what a watchdog's on_quiet() does is to follow. */
void vm_stir(struct vm *vm);
/* Gives the C library what is kept for the next objects. */
void vm_trim(struct vm *vm);
size_t vm_memory_bytes(const struct vm *vm);

/* Pushes the string of the `size` bytes at *room, which stand in a room (base/room.h). A long string is
 * made of them where they are: *room is another room then. Raises. */
void vm_push_read(lua_State *L, char **room, size_t size);

/* Of the code that runs, in any coroutine of the state: vm_new() left there where it stands. */
static inline struct vm *vm_of(lua_State *L) {
  struct vm *const *in_force;
  memcpy(&in_force, lua_getextraspace(L), sizeof in_force);
  return *in_force;
}
lua_State *vm_state(struct vm *vm); /* the main thread: nothing runs on it but short C functions */
void *vm_context(const struct vm *vm);
/* vm_options.lua_dir of the state that runs. */
const char *vm_lua_dir(lua_State *L);
const struct grants *vm_grants(const struct vm *vm); /* NULL: everything */
const struct home *vm_home(const struct vm *vm);     /* NULL: where the process is now */
const char *vm_script_directory(const struct vm *vm);
/* vm/guard.c: whether the script may read the file, or write it; else pushes a sentence that starts
 * with `call`. Raises when memory is out. */
bool vm_may_open(lua_State *L, const char *call, const char *path, bool writes);
/* The process is a child that a module in C has forked, and goes on with the script. */
bool vm_has_forked(const struct vm *vm);
bool vm_may_run(lua_State *L); /* whether it may start programs */

/* Calls body(argument) on the main thread, protected: for C code that may raise but neither runs a
 * script nor waits. False, and the message in `error`, when it raised. */
bool vm_protect(struct vm *vm, lua_CFunction body, void *argument, char *error, size_t error_size);
