/* vm/watchdog.h — ends handlers that outlive their CPU budget, tells of those that hold the loop up.
 * Knows Lua's hooks, not libuv.
 *
 * The thread that runs Lua writes down what it enters. A timer of the kernel interrupts it now and
 * then, and the signal's handler looks: there is no second thread. */
#pragma once

#include "vm/place.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_watchdog; /* opaque; one per thread that runs Lua */

enum {
  /* Past this many budgets in one entry (and at least 10 s of CPU) nothing but a C function can be
   * holding the loop: on_stuck() is called. */
  WATCHDOG_HARD_FACTOR = 10,
  WATCHDOG_HARD_MS_MIN = 10000,
  /* An entry that takes longer by the clock on the wall is told. */
  WATCHDOG_HELD_UP_MS = 500,
};

/* What holds the loop up. */
struct vm_hold {
  const char *script;  /* NULL: none; it is not Lua that does */
  const char *handler; /* "on_data", "timer"; NULL: a finalizer */
  const char *what;    /* of a handler that has ended: "the __close of "; or "" */
  uint64_t conn_id;    /* 0: none */
  unsigned ms;         /* for so long, as far as is known */
  struct place place;
};

enum vm_stuck {
  STUCK_BUDGET, /* processor time: `ms` */
  STUCK_END,    /* what vm_watchdog_end_within() gave has passed */
};

struct vm_watchdog_events {
  /* An entry has ended, and some time may have passed; every 20 ms at most, where on_held() would be
   * called. NULL: nobody cares. */
  void (*on_time)(void *context);
  /* An entry has taken longer than WATCHDOG_HELD_UP_MS and has not ended. Mostly from a signal
   * handler. */
  void (*on_holding)(void *context, const struct vm_hold *hold);
  /* It has ended. In an ordinary place, but for Lua, which is not to be entered. */
  void (*on_held)(void *context, const struct vm_hold *hold);
  /* Nothing has run for half a second, after something had. From a signal handler. NULL: nobody cares. */
  void (*on_quiet)(void *context);
  /* What runs cannot be ended. From a signal handler; must not return. */
  void (*on_stuck)(void *context, const struct vm_hold *hold, enum vm_stuck why);
};

/* Watches the calling thread. NULL when a timer or memory cannot be had. */
struct vm_watchdog *vm_watchdog_new(const struct vm_watchdog_events *events, void *context);
void vm_watchdog_free(struct vm_watchdog *watchdog);

/* on_stuck() comes after `ms` on the wall clock, unless an earlier one was given, or the watchdog is
 * freed before. A signal handler may call it, of any thread. */
void vm_watchdog_end_within(struct vm_watchdog *watchdog, unsigned ms);

/* Once per state, before it is entered. Raises. */
void vm_watchdog_attach(struct vm_watchdog *watchdog, lua_State *L);
/* When the libraries of the first world are open. Raises. */
void vm_watchdog_learn(struct vm_watchdog *watchdog, lua_State *L);
/* Of the state's watchdog: functions that a library of ours adds, "socket." and their names. */
void vm_watchdog_name(lua_State *L, const char *prefix, const luaL_Reg *functions);
/* Around each entry into Lua. `L` is the coroutine that runs. */
void vm_watchdog_enter(struct vm_watchdog *watchdog, lua_State *L, unsigned cpu_ms_max);
bool vm_watchdog_leave(struct vm_watchdog *watchdog); /* true: its time was up */
/* Between the two: another piece of work begins, with a budget of its own. False: a look noted something
 * of the one that ends here, and vm_watchdog_leave() is to follow. */
bool vm_watchdog_next(struct vm_watchdog *watchdog);
/* Something was done that on_quiet() is to follow, as after an entry. */
void vm_watchdog_stir(struct vm_watchdog *watchdog);
/* Inside an entry: a script's own coroutine runs now, or its caller again. Returns who ran. */
lua_State *vm_watchdog_switch(struct vm_watchdog *watchdog, lua_State *L);
/* An error was caught. What caught it has put hooks back to off, inside a finalizer: whoever loops and
 * catches there would never be met again. */
void vm_watchdog_caught(lua_State *L);
/* The coroutine that runs now, or NULL. For a signal handler of that thread, too. */
lua_State *vm_watchdog_running(struct vm_watchdog *watchdog);
