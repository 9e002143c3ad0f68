/* vm/watchdog.c — ends handlers that outlive their CPU budget, tells of those that hold the loop up.
 * Knows Lua's hooks, not libuv.
 *
 * An entry costs a few stores and no clock: entries are numbered, and the look, which comes every
 * 20 ms while there are entries, notes when it first saw a number. An overdue entry is condemned:
 * the look sets a hook on the coroutine that runs (lua_sethook may be called from a signal handler,
 * as lua.c does), and the hook raises at the next instruction. A script that catches the error meets
 * it again, as long as the entry lasts.
 *
 * Lua turns hooks off while a finalizer runs, and leaves them off in the message handler of an error
 * that a hook raised. A look that finds nothing raised since the one before turns them on again
 * (allow_hooks). So what is left that cannot be ended are C functions that do not return. */
#include "vm/watchdog.h"

#include "base/platform.h"
#include "vm/vm_state.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  LOOK_MS = 20,
  STUBBORN_LOOK_MS = 2,  /* while what has used its time up begins anew again and again */
  PARK_AFTER_LOOKS = 25, /* with nothing running: no more looks until the next entry */
};

/* What the looks found of the entry that runs. */
enum {
  CONDEMNED = 1 << 0, /* its time is up */
  HOLDS = 1 << 1,     /* it holds the loop up */
  TOLD = 1 << 2,      /* that was told */
  MET = 1 << 3,       /* a look came while it ran */
};

/* One thread only: what is volatile is shared with the signal handler that interrupts it. */
struct vm_watchdog {
  volatile uint64_t entry; /* number of the entry; odd while one runs */
  volatile unsigned marks;
  lua_State *volatile running; /* the coroutine that runs */
  volatile unsigned cpu_ms_max;
  volatile bool parked;           /* the timer is off */
  volatile uint64_t end_ns;       /* on_stuck() comes then; 0: never. CLOCK_MONOTONIC */
  volatile uint64_t raised;       /* how often the hook did */
  volatile bool stubborn;         /* hooks had to be turned on: they stay on */
  volatile uint64_t seen_entry;   /* by the last look */
  volatile uint64_t seen_raised;  /* the same */
  volatile uint64_t since_ns;     /* when `seen_entry` was first seen */
  volatile uint64_t since_cpu_ns; /* the thread's processor time then */
  volatile unsigned idle_looks;
  bool reaches_hooks; /* allow_hooks() works with this Lua */
  struct platform_ticker *ticker;
  struct place place;
  struct place blamed; /* the author's line that was met last when the time was up */
  struct place_names *names;
  const struct vm_watchdog_events *events;
  void *context;
};

/* --- Clocks and the timer ------------------------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now = {0};
  (void)clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned ms_between(uint64_t since_ns, uint64_t now_ns) {
  return (unsigned)((now_ns - since_ns) / 1000000);
}

static void set_timer(struct vm_watchdog *watchdog, long ms) {
  watchdog->parked = ms == 0;
  platform_ticker_set(watchdog->ticker, ms);
}

/* --- Hooks --------------------------------------------------------------------------------- */

/* lua_State.allowhook, which follows the header of a collectable object and the status, in all of
 * Lua 5.4. vm_watchdog_attach() makes sure. */
static volatile unsigned char *allowhook_of(lua_State *L) {
  return (unsigned char *)L + sizeof(void *) + 3;
}

static void allow_hooks(const struct vm_watchdog *watchdog, lua_State *L) {
  if (watchdog->reaches_hooks) *allowhook_of(L) = 1;
}

static struct vm_watchdog *watchdog_of(lua_State *L) {
  return vm_of(L)->options.watchdog;
}

static void watchdog_describe(const struct vm_watchdog *watchdog, struct vm_hold *out) {
  *out = (struct vm_hold){0};
  if (!watchdog->running) return;
  const struct vm *vm = vm_of(watchdog->running);
  out->script = vm->script;
  const struct vm_task *task = vm->shared->running ? vm->shared->running : vm->shared->ended;
  out->handler = task ? task->name : NULL;
  out->conn_id = task ? task->conn_id : 0;
  out->what = vm->shared->ended ? vm->shared->ended_what : "";
  out->ms = ms_between(watchdog->since_ns, clock_ns(CLOCK_MONOTONIC));
  out->place = watchdog->place;
}

static void tell_holding(struct vm_watchdog *watchdog) {
  struct vm_hold hold;
  watchdog->marks |= TOLD;
  watchdog_describe(watchdog, &hold);
  watchdog->events->on_holding(watchdog->context, &hold);
}

/* "x.lua:3: ". Of the library only when nothing else was met: a finalizer of the author's that used
 * the time up may end in the midst of it. */
static void push_where(struct vm_watchdog *watchdog, lua_State *L) {
  struct place place;
  if (place_read_line(L, &place)) {
    watchdog->blamed = place;
  } else if (watchdog->blamed.file[0]) {
    place = watchdog->blamed;
  }
  if (place.file[0]) {
    lua_pushfstring(L, "%s:%d: ", place.file, place.line);
  } else {
    lua_pushliteral(L, "");
  }
}

static void raise_overdue(struct vm_watchdog *watchdog, lua_State *L) {
  watchdog->raised++;
  if (watchdog->stubborn) allow_hooks(watchdog, L);
  push_where(watchdog, L);
  lua_pushfstring(L, "used more than limits.cpu_ms = %d of processor time",
                  (int)watchdog->cpu_ms_max);
  lua_concat(L, 2);
  lua_error(L);
}

/* A finalizer in C, our own or that of a file, does not loop, and is called once: ended before its
 * first line, it would never give back what it has. */
static bool gives_back(lua_State *L, lua_Debug *activation) {
  if (activation->event == LUA_HOOKLINE || activation->event == LUA_HOOKCOUNT) return false;
  if (!lua_getinfo(L, "Sn", activation) || *activation->what != 'C') return false;
  return strcmp(activation->namewhat, "metamethod") == 0 &&
         (strcmp(activation->name, "__gc") == 0 || strcmp(activation->name, "close") == 0);
}

static void watchdog_on_hook(lua_State *L, lua_Debug *activation) {
  struct vm_watchdog *watchdog = watchdog_of(L);
  if (watchdog->marks & CONDEMNED) {
    if (!gives_back(L, activation)) raise_overdue(watchdog, L);
    return;
  }
  lua_sethook(L, NULL, 0, 0);
  if (!(watchdog->marks & HOLDS) || (watchdog->marks & TOLD)) return;
  place_read(L, watchdog->names, &watchdog->place);
  tell_holding(watchdog);
}

static void set_hook(lua_State *L) {
  lua_sethook(L, watchdog_on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* --- The look ------------------------------------------------------------------------------ */

/* It does not come back from here. */
static void stuck(struct vm_watchdog *watchdog, enum vm_stuck why) {
  struct vm_hold hold;
  lua_State *L = watchdog->entry & 1 ? watchdog->running : NULL;
  if (L) place_read_from_signal(L, watchdog->names, &watchdog->place);
  watchdog_describe(watchdog, &hold);
  if (why == STUCK_BUDGET) {
    hold.ms = ms_between(watchdog->since_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
  }
  watchdog->events->on_stuck(watchdog->context, &hold, why);
}

/* Lua code says itself where it is, from a hook. What a hook has not reached until the next look but
 * one is a C function, which is looked at from here. */
static void look_at_hold(struct vm_watchdog *watchdog, lua_State *L) {
  enum { NOTICED_MS = WATCHDOG_HELD_UP_MS - LOOK_MS, READ_MS = WATCHDOG_HELD_UP_MS + 2 * LOOK_MS };
  unsigned ms = ms_between(watchdog->since_ns, clock_ns(CLOCK_MONOTONIC));
  if ((watchdog->marks & TOLD) || ms < NOTICED_MS) return;
  if (!(watchdog->marks & HOLDS)) {
    watchdog->marks |= HOLDS;
    watchdog->place = (struct place){0};
    if (!lua_gethook(L)) set_hook(L);
  } else if (ms >= READ_MS) {
    place_read_from_signal(L, watchdog->names, &watchdog->place);
    tell_holding(watchdog);
  }
}

static void look_at_budget(struct vm_watchdog *watchdog, lua_State *L) {
  unsigned max = watchdog->cpu_ms_max;
  unsigned used = ms_between(watchdog->since_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
  if (max == 0 || used < max) return;
  if (!(watchdog->marks & CONDEMNED)) {
    watchdog->marks |= CONDEMNED;
    watchdog->stubborn = false;
    watchdog->blamed = (struct place){0};
  } else if (watchdog->stubborn || watchdog->raised == watchdog->seen_raised) {
    /* Each finalizer begins with hooks off, and there may be thousands. */
    if (!watchdog->stubborn) set_timer(watchdog, STUBBORN_LOOK_MS);
    watchdog->stubborn = true;
    allow_hooks(watchdog, L);
  }
  watchdog->seen_raised = watchdog->raised;
  /* Setting it goes through all of a deep stack, so it is done once. */
  if (lua_gethook(L) != watchdog_on_hook) set_hook(L);
  if (used / WATCHDOG_HARD_FACTOR >= max && used >= WATCHDOG_HARD_MS_MIN) {
    stuck(watchdog, STUCK_BUDGET);
  }
}

static void look_at_nothing(struct vm_watchdog *watchdog, uint64_t entry) {
  if (entry != watchdog->seen_entry) watchdog->idle_looks = 0;
  watchdog->seen_entry = entry;
  watchdog->idle_looks = watchdog->idle_looks + 1;
  if (watchdog->idle_looks < PARK_AFTER_LOOKS || watchdog->end_ns > 0) return;
  set_timer(watchdog, 0);
  if (watchdog->events->on_quiet) watchdog->events->on_quiet(watchdog->context);
}

static void watchdog_on_tick(void *context) {
  struct vm_watchdog *watchdog = context;
  uint64_t entry = watchdog->entry;
  uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
  if (watchdog->end_ns > 0 && now_ns >= watchdog->end_ns) stuck(watchdog, STUCK_END);
  if (watchdog->stubborn && entry != watchdog->seen_entry) {
    watchdog->stubborn = false;
    set_timer(watchdog, LOOK_MS);
  }
  if (!(entry & 1)) {
    look_at_nothing(watchdog, entry);
    return;
  }
  watchdog->idle_looks = 0;
  if (entry != watchdog->seen_entry) {
    watchdog->seen_entry = entry;
    watchdog->marks |= MET;
    watchdog->since_ns = now_ns;
    watchdog->since_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return;
  }
  look_at_hold(watchdog, watchdog->running);
  look_at_budget(watchdog, watchdog->running);
}

/* --- Its life ------------------------------------------------------------------------------ */

struct vm_watchdog *vm_watchdog_new(const struct vm_watchdog_events *events, void *context) {
  struct vm_watchdog *watchdog = calloc(1, sizeof *watchdog);
  if (!watchdog) return NULL;
  watchdog->events = events;
  watchdog->context = context;
  watchdog->parked = true;
  watchdog->names = place_names_new();
  watchdog->ticker = watchdog->names ? platform_ticker_new(watchdog_on_tick, watchdog) : NULL;
  if (watchdog->ticker) return watchdog;
  place_names_free(watchdog->names);
  free(watchdog);
  return NULL;
}

void vm_watchdog_free(struct vm_watchdog *watchdog) {
  platform_ticker_free(watchdog->ticker);
  place_names_free(watchdog->names);
  free(watchdog);
}

void vm_watchdog_end_within(struct vm_watchdog *watchdog, unsigned ms) {
  uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000;
  if (watchdog->end_ns == 0 || end_ns < watchdog->end_ns) watchdog->end_ns = end_ns;
  set_timer(watchdog, LOOK_MS);
}

static void watchdog_on_probe(lua_State *L, lua_Debug *activation) {
  (void)activation;
  watchdog_of(L)->reaches_hooks = *allowhook_of(L) == 0;
}

static int l_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Inside a hook, hooks are off; before and after they are on. */
void vm_watchdog_attach(struct vm_watchdog *watchdog, lua_State *L) {
  watchdog->reaches_hooks = false;
  bool was_on = *allowhook_of(L) == 1;
  lua_sethook(L, watchdog_on_probe, LUA_MASKCALL, 0);
  lua_pushcfunction(L, l_nothing);
  lua_call(L, 0, 0);
  lua_sethook(L, NULL, 0, 0);
  if (!was_on || *allowhook_of(L) != 1) watchdog->reaches_hooks = false;
}

void vm_watchdog_learn(struct vm_watchdog *watchdog, lua_State *L) {
  place_names_learn(watchdog->names, L);
}

void vm_watchdog_name(lua_State *L, const char *prefix, const luaL_Reg *functions) {
  const struct vm_watchdog *watchdog = watchdog_of(L);
  if (watchdog) place_names_add(watchdog->names, prefix, functions);
}

/* --- Entries ------------------------------------------------------------------------------- */

void vm_watchdog_stir(struct vm_watchdog *watchdog) {
  if (!watchdog->parked) return;
  watchdog->idle_looks = 0;
  set_timer(watchdog, LOOK_MS);
}

void vm_watchdog_enter(struct vm_watchdog *watchdog, lua_State *L, unsigned cpu_ms_max) {
  watchdog->running = L;
  watchdog->cpu_ms_max = cpu_ms_max;
  watchdog->entry = watchdog->entry + 1;
  vm_watchdog_stir(watchdog);
}

/* What the looks noted of the entry that has just ended. */
static bool settle(struct vm_watchdog *watchdog, unsigned marks) {
  watchdog->marks = 0;
  if (watchdog->events->on_time) watchdog->events->on_time(watchdog->context);
  if (marks & HOLDS) {
    struct vm_hold hold;
    watchdog_describe(watchdog, &hold);
    watchdog->events->on_held(watchdog->context, &hold);
  }
  return marks & CONDEMNED;
}

bool vm_watchdog_leave(struct vm_watchdog *watchdog) {
  watchdog->entry = watchdog->entry + 1; /* no look marks anything from here on */
  unsigned marks = watchdog->marks;
  bool overdue = marks != 0 && settle(watchdog, marks);
  watchdog->running = NULL;
  return overdue;
}

bool vm_watchdog_next(struct vm_watchdog *watchdog) {
  watchdog->entry = watchdog->entry + 2; /* no look marks anything of the last one from here on */
  return watchdog->marks == 0;
}

lua_State *vm_watchdog_switch(struct vm_watchdog *watchdog, lua_State *L) {
  lua_State *before = watchdog->running;
  watchdog->running = L;
  /* The coroutine that the signal met may have ended by its error; the loop may be in this one. */
  if (watchdog->marks & CONDEMNED) {
    if (watchdog->stubborn) allow_hooks(watchdog, L);
    set_hook(L);
  }
  return before;
}

void vm_watchdog_caught(lua_State *L) {
  struct vm_watchdog *watchdog = watchdog_of(L);
  if (watchdog && (watchdog->marks & CONDEMNED) && watchdog->stubborn) allow_hooks(watchdog, L);
}

lua_State *vm_watchdog_running(struct vm_watchdog *watchdog) {
  return watchdog->running;
}
