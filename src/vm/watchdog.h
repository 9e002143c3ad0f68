/* vm/watchdog.h — ends handlers that outlive their CPU budget. Knows Lua's hooks, not libuv.
 *
 * The thread that runs Lua writes down what it enters; a thread of the watchdog's own looks now and
 * then, and signals the first one when the same entry has used up its time. */
#ifndef MOONPORT_VM_WATCHDOG_H
#define MOONPORT_VM_WATCHDOG_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct vm_watchdog; /* opaque; one per thread that runs Lua */

/* Past this many budgets in one entry (and at least 10 s of CPU) nothing but a C function can be
 * holding the loop: `on_stuck` is called, on the watchdog's thread. It must not return. */
enum { WATCHDOG_HARD_FACTOR = 10, WATCHDOG_HARD_MS_MIN = 10000 };

/* Watches the calling thread. NULL when a thread or memory cannot be had. */
struct vm_watchdog *vm_watchdog_new(void (*on_stuck)(void *context, unsigned ms), void *context);
void vm_watchdog_free(struct vm_watchdog *watchdog);

/* Once per state, before it is entered. Raises. */
void vm_watchdog_attach(struct vm_watchdog *watchdog, lua_State *L);
/* Around each entry into Lua. `L` is the coroutine that runs. */
void vm_watchdog_enter(struct vm_watchdog *watchdog, lua_State *L, unsigned cpu_ms_max);
bool vm_watchdog_leave(struct vm_watchdog *watchdog); /* true: its time was up */
/* Inside an entry: a script's own coroutine runs now, or its caller again. Returns who ran. */
lua_State *vm_watchdog_switch(struct vm_watchdog *watchdog, lua_State *L);
/* The coroutine that runs now, or NULL. For a signal handler of that thread, too. */
lua_State *vm_watchdog_running(struct vm_watchdog *watchdog);

#endif
