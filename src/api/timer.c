/* api/timer.c — moonport.timer: after, every, sleep, now, time; conn:after, conn:every. */
#include "api/timer.h"

#include "api/arguments.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "net/loop.h"
#include "net/timer.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>

static const char type_name[] = "moonport.timer";

/* libuv runs a timer of 0 ms again in the same pass: one that re-arms itself would stop the loop. */
enum { DELAY_MS_MIN = 1 };
static const lua_Number seconds_max = 1e9;

/* The payload of a userdata "moonport.timer". User value 1: the function; 2: the connection that it
 * ends with, and calls the function with, or nil. */
struct timer_object {
  struct net_timer *timer; /* NULL once cancelled, or fired for the last time */
  struct runtime *runtime;
  struct belonging belonging; /* to its version, while it may fire or its function runs */
  struct list link;           /* in its connection's list, as long as it may fire */
  struct vm_world *world;
  struct vm_task *task; /* the function, while it waits */
  int reference;        /* registry; keeps the object as long as it is in the list */
  bool repeats;
  bool busy; /* the function runs or waits: the ticks meanwhile are left out */
};

/* A coroutine in sleep(). */
struct sleeper {
  struct net_timer *timer;
  struct runtime *runtime;
  struct list link; /* in the runtime's list */
  struct vm_ticket ticket;
};

static uint64_t check_delay_ms(lua_State *L, int index) {
  runtime_check_alive(L);
  lua_Number seconds = luaL_checknumber(L, index);
  luaL_argcheck(L, seconds >= 0 && seconds <= seconds_max, index, "must be 0 to 1e9 seconds");
  uint64_t ms = (uint64_t)(seconds * 1000 + 0.5);
  return ms < DELAY_MS_MIN ? DELAY_MS_MIN : ms;
}

static void timer_stop(struct timer_object *object) {
  if (object->timer) net_timer_close(object->timer);
  object->timer = NULL;
  list_remove(&object->link);
}

static void timer_release_unless_needed(struct timer_object *object) {
  if (object->timer || object->busy || object->reference == LUA_NOREF) return;
  list_remove(&object->belonging.link);
  vm_world_unref(object->world);
  luaL_unref(vm_state(object->runtime->vm), LUA_REGISTRYINDEX, object->reference);
  object->reference = LUA_NOREF;
}

/* What the function returned is behind the timer's object. */
static int fired(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  if (lua_gettop(L) == 1) return 0;
  lua_getiuservalue(L, 1, 1);
  api_tell_timer_result(L, -1, 2);
  return 0;
}

/* Runs in the callback's coroutine. */
static int call_function(lua_State *L) {
  const struct timer_object *object = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, object->reference);
  lua_replace(L, 1);
  lua_getiuservalue(L, 1, 1);
  if (api_tells_handlers(object->runtime)) api_tell_handler(L, "timer", -1);
  int arguments = lua_getiuservalue(L, 1, 2) != LUA_TNIL;
  if (arguments == 0) lua_pop(L, 1);
  lua_callk(L, arguments, LUA_MULTRET, 0, fired);
  return fired(L, LUA_OK, 0);
}

static void timer_on_fail(void *self, const struct vm_failure *failure) {
  const struct timer_object *object = self;
  runtime_log_failure(object->runtime, object->belonging.conn_id, failure);
}

static void timer_on_end(void *self, bool failed) {
  (void)failed;
  struct timer_object *object = self;
  object->busy = false;
  object->task = NULL;
  timer_release_unless_needed(object);
}

static void timer_on_cancel(void *self) {
  timer_on_end(self, false);
}

static void timer_on_fire(void *owner) {
  struct timer_object *object = owner;
  if (object->busy) return;
  if (!object->repeats) timer_stop(object);
  const struct vm_owner task_owner = {
      .self = object,
      .name = "timer",
      .conn_id = object->belonging.conn_id,
      .world = object->world,
      .on_fail = timer_on_fail,
      .on_end = timer_on_end,
      .on_cancel = timer_on_cancel,
  };
  object->busy = true;
  enum vm_status status =
      runtime_enter(object->runtime, call_function, object, &task_owner, &object->task);
  if (status != VM_WAITING) timer_on_end(object, false);
}

static void timer_end(struct belonging *belonging) {
  struct timer_object *object = LIST_ELEMENT(belonging, struct timer_object, belonging);
  timer_stop(object);
  if (object->task) {
    runtime_cancel(object->runtime, object->task); /* timer_on_cancel() releases it */
  } else {
    timer_release_unless_needed(object);
  }
}

static const struct belonging_kind kind = {.name = "timer", .end = timer_end};

/* The arguments begin at `first`; before it is the connection, if there is one. */
static int timer_start(lua_State *L, struct api_conn *conn, bool repeats) {
  int first = conn ? 2 : 1;
  uint64_t delay_ms = check_delay_ms(L, first);
  luaL_checktype(L, first + 1, LUA_TFUNCTION);
  api_check_count(L, first + 1,
                  conn ? "write function(conn) f(conn, …) end, for it is called with that alone"
                       : "write function() f(…) end, for it is called without arguments");
  if (conn && !conn->conn) return api_push_closed(L);
  if (conn && !api_need_more(conn)) return luaL_error(L, "not enough memory");
  struct runtime *runtime = runtime_of(L);
  struct version *version = version_of(L);
  struct timer_object *object = lua_newuserdatauv(L, sizeof *object, 2);
  *object = (struct timer_object){
      .runtime = runtime,
      .world = vm_world_in_force(runtime->vm),
      .reference = LUA_NOREF,
      .repeats = repeats,
  };
  list_init(&object->link);
  luaL_setmetatable(L, type_name);
  lua_pushvalue(L, first + 1);
  lua_setiuservalue(L, -2, 1);
  if (conn) lua_pushvalue(L, 1);
  if (conn) lua_setiuservalue(L, -2, 2);
  lua_pushvalue(L, -1);
  object->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  vm_world_ref(object->world);
  version_own(version, &object->belonging, &kind);
  if (conn) object->belonging.conn_id = conn->id;
  object->timer =
      net_timer_open(runtime->loop, delay_ms, repeats ? delay_ms : 0, timer_on_fire, object);
  if (object->timer && conn) list_append(&conn->more->timers, &object->link);
  if (object->timer) return 1;
  timer_release_unless_needed(object);
  return luaL_error(L, "not enough memory");
}

/* timer.after(seconds, f) -> timer: calls f() once */
static int l_after(lua_State *L) {
  return timer_start(L, NULL, false);
}

/* timer.every(seconds, f) -> timer: calls f() again and again; not while it still waits */
static int l_every(lua_State *L) {
  return timer_start(L, NULL, true);
}

/* conn:after(seconds, f) -> timer: calls f(conn) once, unless that has closed | nil, "closed" */
static int l_conn_after(lua_State *L) {
  return timer_start(L, api_check_conn(L, 1), false);
}

/* conn:every(seconds, f) -> timer: calls f(conn) again and again, until that has closed | nil, "closed" */
static int l_conn_every(lua_State *L) {
  return timer_start(L, api_check_conn(L, 1), true);
}

void api_end_conn_timers(struct api_conn *self) {
  while (!list_empty(&self->more->timers)) {
    struct timer_object *object = LIST_ELEMENT(self->more->timers.next, struct timer_object, link);
    timer_stop(object);
    timer_release_unless_needed(object);
  }
}

/* timer:cancel() -> true when it would still have fired, else false */
static int l_timer_cancel(lua_State *L) {
  struct timer_object *object = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 1, NULL);
  lua_pushboolean(L, object->timer != NULL);
  timer_stop(object);
  timer_release_unless_needed(object);
  return 1;
}

static void sleeper_close(struct sleeper *sleeper) {
  list_remove(&sleeper->link);
  net_timer_close(sleeper->timer);
  free(sleeper);
}

void api_end_sleeps(struct runtime *runtime) {
  struct list sleeps;
  list_take(&sleeps, &runtime->sleeps);
  while (!list_empty(&sleeps)) sleeper_close(LIST_ELEMENT(sleeps.next, struct sleeper, link));
}

void api_drop_cancelled_sleeps(struct runtime *runtime) {
  struct list *link = runtime->sleeps.next;
  while (link != &runtime->sleeps) {
    struct sleeper *sleeper = LIST_ELEMENT(link, struct sleeper, link);
    link = link->next;
    if (!vm_ticket_is_live(sleeper->ticket)) sleeper_close(sleeper);
  }
}

static void sleeper_on_slept(void *owner) {
  struct sleeper *sleeper = owner;
  struct runtime *runtime = sleeper->runtime;
  struct vm_ticket ticket = sleeper->ticket;
  sleeper_close(sleeper);
  runtime_wake(runtime, ticket);
}

/* timer.sleep(seconds): waits */
static int l_sleep(lua_State *L) {
  uint64_t delay_ms = check_delay_ms(L, 1);
  api_check_count(L, 1, "what follows goes into the lines below, or a function for timer.after");
  struct vm_ticket ticket = vm_wait_ticket(L);
  struct runtime *runtime = runtime_of(L);
  struct sleeper *sleeper = calloc(1, sizeof *sleeper);
  if (sleeper)
    sleeper->timer = net_timer_open(runtime->loop, delay_ms, 0, sleeper_on_slept, sleeper);
  if (!sleeper || !sleeper->timer) {
    free(sleeper);
    return luaL_error(L, "not enough memory");
  }
  sleeper->runtime = runtime;
  sleeper->ticket = ticket;
  list_append(&runtime->sleeps, &sleeper->link);
  return vm_wait(L, 0, vm_nothing_follows);
}

/* timer.now() -> seconds on a clock that only goes forward; its zero has no meaning */
static int l_now(lua_State *L) {
  api_check_count(L, 0, NULL);
  lua_pushnumber(L, (lua_Number)net_loop_now_ns(runtime_of(L)->loop) / 1e9);
  return 1;
}

/* timer.time() -> seconds since 1970, with fractions, on the clock on the wall, which may be set */
static int l_time(lua_State *L) {
  struct timespec now;
  api_check_count(L, 0, NULL);
  clock_gettime(CLOCK_REALTIME, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
  return 1;
}

static const luaL_Reg methods[] = {{"cancel", l_timer_cancel}, {NULL, NULL}};

const struct api_type api_timer_type = {type_name, methods, NULL, "cancel"};
const luaL_Reg api_timer_functions[] = {{"after", l_after}, {"every", l_every}, {"sleep", l_sleep},
                                        {"now", l_now},     {"time", l_time},   {NULL, NULL}};
const luaL_Reg api_conn_timer_methods[] = {
    {"after", l_conn_after}, {"every", l_conn_every}, {NULL, NULL}};
