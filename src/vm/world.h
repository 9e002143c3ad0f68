/* vm/world.h — what one loaded script has for its own: globals, libraries, loaded modules.
 *
 * A state holds several worlds while versions of a script overlap. Each has fresh copies of all
 * that a script can change: what one version writes into a global, a library table or
 * package.loaded, no other sees. Which one is in force is a matter of four registry entries, so
 * Lua's own functions need not know. */
#pragma once

#include <lua.h>

struct vm;
struct vm_world; /* opaque; lives while somebody holds a reference */

/* A fresh world with the standard libraries, completed by vm_options.furnish. `owner` is whoever it is
 * of. One reference belongs to the caller. NULL when memory is out. */
struct vm_world *vm_world_new(struct vm *vm, void *owner);
void vm_world_ref(struct vm_world *world);
void vm_world_unref(struct vm_world *world);

/* Puts it in force, unless it is. Not while Lua runs. */
void vm_world_enter(struct vm_world *world);
/* The owner has ended; what still runs in the world has none. */
void vm_world_disown(struct vm_world *world);
/* The world of the code that runs, or ran last; NULL before the first. */
struct vm_world *vm_world_in_force(const struct vm *vm);
/* NULL when it has ended. */
void *vm_world_owner(const struct vm_world *world);
/* Keeps `thing` for as long as it lives itself: end() is called with it then. Once for each world. */
void vm_world_keep(struct vm_world *world, void *thing, void (*end)(void *thing));
/* Its table of globals. Needs a place on the stack. */
void vm_world_push_globals(lua_State *L, const struct vm_world *world);
