/* api/timer.c — moonport.timer: after, every, sleep, now. */
#include "api/timer.h"

#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "net/loop.h"
#include "net/timer.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <uv.h>

static const char type_name[] = "moonport.timer";

/* libuv runs a timer of 0 ms again in the same pass: one that re-arms itself would stop the loop. */
enum { DELAY_MS_MIN = 1 };
static const lua_Number seconds_max = 1e9;

/* A callback's timer, or a sleeper's; in the runtime's list while it may fire. */
struct script_timer {
  struct net_timer *timer;
  struct runtime *runtime;
  struct list link;
  struct timer_object *object; /* NULL: a sleep */
  struct vm_ticket sleeper;
};

/* The payload of a userdata "moonport.timer"; its user value is the function. */
struct timer_object {
  struct script_timer *active; /* NULL once cancelled, or fired for the last time */
  struct runtime *runtime;
  int reference; /* registry; keeps the object while it may fire or its function runs */
  bool repeats;
  bool busy; /* the function waits: the ticks meanwhile are left out */
};

static void script_timer_close(struct script_timer *timer) {
  list_remove(&timer->link);
  net_timer_close(timer->timer);
  free(timer);
}

void api_close_timers(struct runtime *runtime) {
  while (!list_empty(&runtime->timers)) {
    struct script_timer *timer = LIST_ELEMENT(runtime->timers.next, struct script_timer, link);
    /* The analyzer does not see that removing the first link gives the list another first. */
    if (timer->object) timer->object->active = NULL; // NOLINT(clang-analyzer-unix.Malloc)
    script_timer_close(timer);
  }
}

static uint64_t check_delay_ms(lua_State *L, int index) {
  runtime_check_alive(L);
  lua_Number seconds = luaL_checknumber(L, index);
  luaL_argcheck(L, seconds >= 0 && seconds <= seconds_max, index, "must be 0 to 1e9 seconds");
  uint64_t ms = (uint64_t)(seconds * 1000 + 0.5);
  return ms < DELAY_MS_MIN ? DELAY_MS_MIN : ms;
}

/* NULL when memory is out. */
static struct script_timer *script_timer_open(struct runtime *runtime, uint64_t delay_ms,
                                              uint64_t repeat_ms, void (*on_fire)(void *owner)) {
  struct script_timer *timer = calloc(1, sizeof *timer);
  if (!timer) return NULL;
  timer->runtime = runtime;
  timer->timer = net_timer_open(runtime->loop, delay_ms, repeat_ms, on_fire, timer);
  if (!timer->timer) {
    free(timer);
    return NULL;
  }
  list_append(&runtime->timers, &timer->link);
  return timer;
}

static void release_unless_needed(struct timer_object *object) {
  if (object->active || object->busy || object->reference == LUA_NOREF) return;
  luaL_unref(vm_state(object->runtime->vm), LUA_REGISTRYINDEX, object->reference);
  object->reference = LUA_NOREF;
}

/* Runs in the callback's coroutine. */
static int call_function(lua_State *L) {
  const struct timer_object *object = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, object->reference);
  lua_replace(L, 1);
  lua_getiuservalue(L, 1, 1);
  if (api_tells_handlers(object->runtime)) api_tell_handler(L, "timer", -1);
  lua_callk(L, 0, 0, 0, vm_nothing_follows);
  return 0;
}

static void on_fail(void *self, const struct vm_failure *failure) {
  const struct timer_object *object = self;
  runtime_log_failure(object->runtime, 0, failure);
}

static void on_end(void *self, bool failed) {
  (void)failed;
  struct timer_object *object = self;
  object->busy = false;
  release_unless_needed(object);
}

static void on_cancel(void *self) {
  on_end(self, false);
}

static void on_fire(void *owner) {
  struct script_timer *timer = owner;
  struct timer_object *object = timer->object;
  struct runtime *runtime = timer->runtime;
  if (object->busy) return;
  if (!object->repeats) {
    object->active = NULL;
    script_timer_close(timer);
  }
  const struct vm_owner task_owner = {
      .self = object, .on_fail = on_fail, .on_end = on_end, .on_cancel = on_cancel};
  object->busy = true;
  if (runtime_enter(runtime, call_function, object, &task_owner, NULL) != VM_WAITING) {
    on_end(object, false);
  }
}

static int start(lua_State *L, bool repeats) {
  uint64_t delay_ms = check_delay_ms(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  struct runtime *runtime = runtime_of(L);
  struct timer_object *object = lua_newuserdatauv(L, sizeof *object, 1);
  *object = (struct timer_object){.runtime = runtime, .reference = LUA_NOREF, .repeats = repeats};
  luaL_setmetatable(L, type_name);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  object->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  struct script_timer *timer =
      script_timer_open(runtime, delay_ms, repeats ? delay_ms : 0, on_fire);
  if (!timer) {
    release_unless_needed(object);
    return luaL_error(L, "not enough memory");
  }
  timer->object = object;
  object->active = timer;
  return 1;
}

/* timer.after(seconds, f) -> timer: calls f() once */
static int l_after(lua_State *L) {
  return start(L, false);
}

/* timer.every(seconds, f) -> timer: calls f() again and again; not while it still waits */
static int l_every(lua_State *L) {
  return start(L, true);
}

/* timer:cancel() -> true when it would still have fired, else false */
static int l_cancel(lua_State *L) {
  struct timer_object *object = luaL_checkudata(L, 1, type_name);
  lua_pushboolean(L, object->active != NULL);
  if (!object->active) return 1;
  script_timer_close(object->active);
  object->active = NULL;
  release_unless_needed(object);
  return 1;
}

static void on_slept(void *owner) {
  struct script_timer *timer = owner;
  struct runtime *runtime = timer->runtime;
  struct vm_ticket sleeper = timer->sleeper;
  script_timer_close(timer);
  runtime_wake(runtime, sleeper);
}

/* timer.sleep(seconds): waits */
static int l_sleep(lua_State *L) {
  uint64_t delay_ms = check_delay_ms(L, 1);
  struct vm_ticket ticket = vm_wait_ticket(L);
  struct script_timer *timer = script_timer_open(runtime_of(L), delay_ms, 0, on_slept);
  if (!timer) return luaL_error(L, "not enough memory");
  timer->sleeper = ticket;
  return vm_wait(L, 0, vm_nothing_follows);
}

/* timer.now() -> seconds on a clock that only goes forward; its zero has no meaning */
static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)uv_hrtime() / 1e9);
  return 1;
}

static void make_type(lua_State *L) {
  luaL_newmetatable(L, type_name);
  lua_pushcfunction(L, l_cancel);
  lua_setfield(L, -2, "__close");
  lua_pushliteral(L, "moonport.timer");
  lua_setfield(L, -2, "__metatable");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_cancel);
  lua_setfield(L, -2, "cancel");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int api_open_timer(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"after", l_after}, {"every", l_every}, {"sleep", l_sleep}, {"now", l_now}, {NULL, NULL}};
  make_type(L);
  luaL_newlib(L, functions);
  return 1;
}
