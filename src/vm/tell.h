/* vm/tell.h — what runs in a state, told to those who watch. Knows Lua, not who watches. */
#pragma once

#include "base/event.h"

#include <lua.h>

struct tap;
struct vm;

/* Where the entries of this state are told, and in whose name. Both stay the caller's. */
void vm_set_tap(struct vm *vm, struct tap *tap, const char *script);

/* A function that a task is about to call, which is at `index`: told as a handler, and its waits
 * and its end follow. `name` is static text. To be called in the task, when it is wanted. */
void vm_tell_handler(lua_State *L, const char *name, int index);

/* The handler that the running task called last has returned, if it is told of. Also follows from the
 * next call, and from the task's end. */
void vm_tell_returned(lua_State *L);

/* Where the Lua function that called the running C function is; nothing when none did. The file is
 * valid as long as that function. */
struct event_place vm_caller_place(lua_State *L);

/* The name of what the running task does, and where the function that it began with is defined; NULL
 * when none runs. */
const char *vm_running_handler(const struct vm *vm, struct event_place *out);
