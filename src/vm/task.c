/* vm/task.c — the only door into Lua: coroutines that run, wait and are woken. Knows no libuv.
 *
 * A task's coroutine goes back to the cache when it ends, so that an ordinary handler allocates
 * nothing but its arguments. Whatever can raise runs inside it: vm_enter() pushes only a C function
 * and a light userdata, which need no memory. */
#include "vm/task.h"

#include "base/durations.h"
#include "base/probe.h"
#include "vm/fork.h"
#include "vm/vm_state.h"
#include "vm/watchdog.h"
#include "vm/world.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IDLE_MAX = 256 }; /* about 1 KiB each */

/* The task has its coroutine once nothing can raise any more: one that memory ran out for half-way is
 * garbage. */
static int new_coroutine(lua_State *L) {
  struct vm_task *task = lua_touserdata(L, 1);
  lua_State *co = lua_newthread(L);
  vm_reserve_coroutine(L, co);
  task->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  task->L = co;
  return 0;
}

/* NULL when memory is out. */
static struct vm_task *task_take(struct vm *vm) {
  struct vm_task *task = vm->shared->idle;
  if (!task) {
    task = calloc(1, sizeof *task);
    if (!task) return NULL;
    task->all_next = vm->shared->all;
    vm->shared->all = task;
    vm->shared->idle = task;
  }
  char error[1];
  if (!task->L) {
    if (!vm_protect(vm, new_coroutine, task, error, sizeof error)) return NULL;
    vm->shared->idle_count++;
  }
  vm->shared->idle = task->idle_next;
  vm->shared->idle_count--;
  return task;
}

/* A coroutine that failed is never used again: an error raised by a hook leaves hooks off in it. */
static void task_give_back(struct vm_task *task, bool failed) {
  struct vm *vm = task->vm;
  vm_world_unref(task->world);
  task->world = NULL;
  struct vm_task **place = &vm->shared->idle;
  if (failed || vm->shared->idle_count >= IDLE_MAX) {
    luaL_unref(vm->shared->L, LUA_REGISTRYINDEX, task->reference);
    task->L = NULL;
    /* Behind those that still have a coroutine. */
    while (*place && (*place)->L) place = &(*place)->idle_next;
  } else {
    if (lua_gettop(task->L) > 0) lua_settop(task->L, 0);
    vm->shared->idle_count++;
  }
  task->idle_next = *place;
  *place = task;
}

void vm_free_tasks(struct vm_shared *shared) {
  while (shared->all) {
    struct vm_task *task = shared->all;
    shared->all = task->all_next;
    free(task);
  }
}

struct vm_task *vm_running(const struct vm *vm) {
  return vm->shared->running;
}

uint64_t vm_running_conn_id(const struct vm *vm) {
  const struct vm_task *task = vm->shared->running ? vm->shared->running : vm->shared->ended;
  return task ? task->conn_id : 0;
}

void *vm_running_owner(const struct vm *vm) {
  return vm->shared->running ? vm->shared->running->owner : NULL;
}

void *vm_running_as(const struct vm *vm, void (*on_end)(void *self, bool failed)) {
  const struct vm_task *task = vm->shared->running;
  return task && task->on_end == on_end ? task->owner : NULL;
}

void *vm_task_owner(const struct vm_task *task) {
  return task->owner;
}

size_t vm_count_waiting(const struct vm *vm) {
  size_t count = 0;
  for (const struct vm_task *task = vm->shared->all; task; task = task->all_next) {
    count += task->waiting && task->vm == vm;
  }
  return count;
}

const char *vm_forbid_waiting(struct vm *vm, const char *why_not) {
  const char *before = vm->no_wait_why;
  vm->no_wait_why = why_not;
  return before;
}

/* Fails a task that a C function has left by lua_yield(): nobody would ever go on with it.
 * coroutine.yield() itself refuses outside a script's coroutine. */
static int refuse_yield(struct vm_task *task, int result_count) {
  lua_pop(task->L, result_count);
  lua_pushlightuserdata(task->L, (void *)(uintptr_t)&vm_yielded);
  return LUA_ERRRUN;
}

/* --- Time that is counted ----------------------------------------------------------------------- */

static uint64_t task_now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* It has ended, or waits. */
static void count_left(struct vm_task *task, bool waits) {
  const uint64_t now_ns = task_now_ns();
  task->took_ns += now_ns - task->lap_ns;
  task->lap_ns = now_ns;
  if (waits) return;
  durations_add(task->durations, task->took_ns);
  task->took_ns = 0;
}

void vm_count_lap(const struct vm *vm) {
  struct vm_task *task = vm->shared->running;
  if (task->durations) count_left(task, false);
}

/* --- Running ------------------------------------------------------------------------------------ */

static enum vm_status run(struct vm_task *task, int argument_count) {
  struct vm *vm = task->vm;
  assert(!vm->shared->running && !vm->shared->frame); /* entry into Lua never nests */
  struct vm_frame frame = {.L = task->L};
  vm_world_enter(task->world);
  task->turn++;
  task->waiting = false;
  vm->shared->running = task;
  vm->shared->frame = &frame;
  if (task->told) vm_tell_wake(task);
  PROBE3(handler_begin, task->conn_id, task->name, vm->script);
  if (task->durations) task->lap_ns = task_now_ns();
  vm_watch(vm, task->L, task->cpu_ms_max > 0 ? task->cpu_ms_max : vm->budget.cpu_ms_max);
  int result_count = 0;
  int rc = lua_resume(task->L, vm->shared->L, argument_count, &result_count);
  if (task->durations) count_left(task, vm->shared->waiting);
  PROBE3(handler_end, task->conn_id, task->name, vm->script);
  bool overdue = vm_watch_end(vm);
  vm->shared->frame = NULL;
  vm->shared->running = NULL;
  if (vm->shared->collected) {
    if (vm->shared->has_forked) vm_fork_end(vm, rc);
    vm_tune_collector(vm);
  }
  bool waiting = vm->shared->waiting;
  vm->shared->waiting = false;
  if (rc == LUA_YIELD && !waiting) rc = refuse_yield(task, result_count);
  if (task->told) {
    vm_tell_left(task, rc == LUA_YIELD ? NULL : rc == LUA_OK ? "done" : "failed");
  }
  if (rc == LUA_YIELD) {
    task->waiting = true;
    lua_pop(task->L, result_count);
    return VM_WAITING;
  }
  if (rc != LUA_OK) vm_report(task, rc, overdue);
  return rc == LUA_OK ? VM_DONE : VM_FAILED;
}

enum vm_status vm_enter(struct vm *vm, lua_CFunction body, void *argument,
                        const struct vm_owner *owner, struct vm_task **out) {
  struct vm_task *task = task_take(vm);
  if (!task) {
    struct vm_failure failure = {.message = "not enough memory", .message_size = 17};
    owner->on_fail(owner->self, &failure);
    return VM_FAILED;
  }
  task->vm = vm;
  task->condemned = false;
  task->owner = owner->self;
  task->name = owner->name;
  task->conn_id = owner->conn_id;
  task->cpu_ms_max = owner->cpu_ms_max;
  task->world = owner->world;
  task->durations = owner->durations;
  task->took_ns = 0;
  vm_world_ref(task->world);
  task->on_fail = owner->on_fail;
  task->on_end = owner->on_end;
  task->on_cancel = owner->on_cancel;
  lua_pushcfunction(task->L, body);
  lua_pushlightuserdata(task->L, argument);
  enum vm_status status = run(task, 1);
  if (status == VM_WAITING) {
    if (out) *out = task;
  } else {
    task_give_back(task, status == VM_FAILED);
  }
  return status;
}

bool vm_may_go_on(const struct vm *vm) {
  struct vm_watchdog *watchdog = vm->options.watchdog;
  return !vm->shared->running->told && (!watchdog || vm_watchdog_next(watchdog));
}

void vm_hand_over(const struct vm *vm, void *owner, uint64_t conn_id) {
  struct vm_task *task = vm->shared->running;
  vm_count_lap(vm);
  PROBE3(handler_end, task->conn_id, task->name, vm->script);
  task->owner = owner;
  task->conn_id = conn_id;
  PROBE3(handler_begin, task->conn_id, task->name, vm->script);
  task->turn++; /* a ticket of the one before is stale */
}

bool vm_wake(struct vm_ticket ticket) {
  struct vm_task *task = ticket.task;
  if (!task->waiting || !vm_ticket_is_live(ticket)) return false;
  enum vm_status status = run(task, 0);
  if (status == VM_WAITING) return true;
  void *owner = task->owner;
  void (*on_end)(void *, bool) = task->on_end;
  task_give_back(task, status == VM_FAILED);
  on_end(owner, status == VM_FAILED);
  return true;
}

bool vm_ticket_is_live(struct vm_ticket ticket) {
  return ticket.task->turn == ticket.turn && !ticket.task->condemned;
}

void vm_condemn(struct vm_task *task) {
  task->condemned = true;
}

void vm_cancel(struct vm_task *task) {
  task->waiting = false;
  if (task->told) vm_tell_cancelled(task);
  if (task->durations) durations_add(task->durations, task->took_ns);
  task->turn++; /* whoever would wake it holds a stale ticket from here on */
  vm_world_enter(task->world);
  vm_unwind(task, 0);
  void *owner = task->owner;
  void (*on_cancel)(void *) = task->on_cancel;
  task_give_back(task, true);
  if (on_cancel) on_cancel(owner);
}

void vm_cancel_world(struct vm *vm, const struct vm_world *world) {
  for (struct vm_task *task = vm->shared->all; task; task = task->all_next) {
    if (task->waiting && task->world == world) vm_cancel(task);
  }
}

void vm_cancel_all(struct vm *vm, const char *why_not) {
  vm->no_wait_why = why_not;
  for (struct vm_task *task = vm->shared->all; task; task = task->all_next) {
    if (task->waiting && task->vm == vm) vm_cancel(task);
  }
}

/* Why the running code cannot wait, or NULL when it can. */
static const char *no_wait_reason(const struct vm *vm, lua_State *L) {
  if (vm->no_wait_why) return vm->no_wait_why;
  /* A coroutine that a finalizer makes has a frame, and no task. */
  if (!vm->shared->running) return "this is a finalizer or a warning function";
  if (L != vm->shared->frame->L) {
    return "a C function resumed this coroutine, and would not come back to it; resume it in Lua";
  }
  for (const struct vm_frame *frame = vm->shared->frame; frame; frame = frame->caller) {
    if (lua_isyieldable(frame->L)) continue;
    return "it is called through a C function that cannot be interrupted "
           "(table.sort, string.gsub, a module loader, a __gc or __close while an error unwinds); "
           "wait before or after that call";
  }
  return NULL;
}

static void check_can_wait(lua_State *L) {
  const char *reason = no_wait_reason(vm_of(L), L);
  if (reason) luaL_error(L, "cannot wait here: %s", reason);
}

struct vm_ticket vm_wait_ticket(lua_State *L) {
  check_can_wait(L);
  struct vm_task *task = vm_of(L)->shared->running;
  return (struct vm_ticket){task, task->turn};
}

int vm_wait(lua_State *L, lua_KContext context, lua_KFunction k) {
  check_can_wait(L);
  vm_of(L)->shared->waiting = true;
  return lua_yieldk(L, 0, context, k);
}

int vm_nothing_follows(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 0;
}
