/* api/task.c — moonport.task: spawn, join, cancel. A task is a function that runs beside the others.
 *
 * A spawned function starts, and a cancelled one ends, in the next turn of the loop, never inside
 * the call: entries into Lua do not nest. */
#include "api/task.h"

#include "api/arguments.h"
#include "api/bus.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/timer.h"
#include "api/wait.h"
#include "net/defer.h"
#include "net/loop.h"
#include "vm/world.h"

#include <lauxlib.h>

static const char type_name[] = "moonport.task";

enum task_state { READY, RUNNING, ENDED };

/* The payload of a userdata "moonport.task". User value 1: the packed function and arguments, later
 * the packed results; 2: the message it failed with. */
struct task_object {
  struct runtime *runtime;
  struct list link;           /* in the runtime's list of tasks to start or to cancel */
  struct belonging belonging; /* to its version, until it has ended */
  struct vm_world *world;
  struct vm_task *task; /* while it waits */
  int reference;        /* registry; until it has ended */
  enum task_state state;
  bool failed;
  bool cancelled;
  struct api_wait joiner;
};

static int started(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  int count = lua_gettop(L) - 1;
  lua_createtable(L, count, 1);
  lua_insert(L, 2);
  for (int i = count; i >= 1; i--) lua_rawseti(L, 2, i);
  lua_pushinteger(L, count);
  lua_setfield(L, 2, "n");
  lua_setiuservalue(L, 1, 1);
  return 0;
}

static int unpack(lua_State *L, int table) {
  lua_getfield(L, table, "n");
  int count = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  luaL_checkstack(L, count, "too many values");
  for (int i = 1; i <= count; i++) lua_rawgeti(L, table, i);
  return count;
}

/* Runs in the task's coroutine; its object stays at index 1. */
static int run_function(lua_State *L) {
  const struct task_object *object = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, object->reference);
  lua_replace(L, 1);
  lua_getiuservalue(L, 1, 1);
  int count = unpack(L, 2);
  lua_remove(L, 2);
  if (api_tells_handlers(object->runtime)) api_tell_handler(L, "task", -count);
  lua_callk(L, count - 1, LUA_MULTRET, 0, started);
  return started(L, LUA_OK, 0);
}

static void task_end(struct task_object *object) {
  struct runtime *runtime = object->runtime;
  object->state = ENDED;
  object->task = NULL;
  list_remove(&object->link);
  list_remove(&object->belonging.link);
  vm_world_unref(object->world);
  api_wait_wake(&object->joiner);
  luaL_unref(vm_state(runtime->vm), LUA_REGISTRYINDEX, object->reference);
  runtime->task_count--;
  runtime->on_room(runtime->context, NULL);
}

static void task_on_end(void *self, bool failed) {
  struct task_object *object = self;
  object->failed = failed;
  task_end(object);
}

struct failure_note {
  struct task_object *object;
  const struct vm_failure *failure;
};

static int note_failure(lua_State *L) {
  const struct failure_note *note = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, note->object->reference);
  lua_pushlstring(L, note->failure->message, note->failure->message_size);
  lua_setiuservalue(L, -2, 2);
  return 0;
}

static void task_on_fail(void *self, const struct vm_failure *failure) {
  struct task_object *object = self;
  struct failure_note note = {object, failure};
  char error[1];
  runtime_log_failure(object->runtime, object->belonging.conn_id, failure);
  vm_protect(object->runtime->vm, note_failure, &note, error, sizeof error);
}

static void task_on_cancel(void *self) {
  struct task_object *object = self;
  object->cancelled = true;
  task_end(object);
}

static void task_start(struct task_object *object) {
  const struct vm_owner owner = {
      .self = object,
      .name = "task",
      .conn_id = object->belonging.conn_id,
      .world = object->world,
      .on_fail = task_on_fail,
      .on_end = task_on_end,
      .on_cancel = task_on_cancel,
  };
  object->state = RUNNING;
  enum vm_status status =
      runtime_enter(object->runtime, run_function, object, &owner, &object->task);
  if (status != VM_WAITING) task_on_end(object, status == VM_FAILED);
}

/* Not while Lua runs. */
static void cancel(struct task_object *object) {
  if (object->state == READY) {
    object->cancelled = true;
    task_end(object);
  } else if (object->state == RUNNING && object->task) {
    runtime_cancel(object->runtime, object->task);
  }
}

/* Those that are due now; what they spawn, and what there is no time for, is due in the next turn,
 * when the others have had theirs. */
static void run_due_tasks(struct runtime *runtime) {
  enum { TURN_NS_MAX = 20 * 1000 * 1000 };
  uint64_t began_ns = net_loop_now_ns(runtime->loop);
  struct list end;
  list_append(&runtime->tasks_due, &end);
  while (runtime->tasks_due.next != &end &&
         net_loop_now_ns(runtime->loop) - began_ns < TURN_NS_MAX) {
    struct task_object *object = LIST_ELEMENT(runtime->tasks_due.next, struct task_object, link);
    list_remove(&object->link);
    if (object->state == READY && !object->cancelled) {
      task_start(object);
    } else {
      cancel(object);
    }
  }
  list_remove(&end);
  if (!list_empty(&runtime->tasks_due)) net_defer_ask(runtime->defer);
}

void api_run_due(void *context) {
  struct runtime *runtime = context;
  versions_settle(runtime);
  api_wake_due(runtime);
  run_due_tasks(runtime);
  api_bus_tell(runtime);
  if (!runtime->cancelled) return;
  runtime->cancelled = false;
  api_drop_cancelled_sleeps(runtime);
}

static void end_belonging(struct belonging *belonging) {
  cancel(LIST_ELEMENT(belonging, struct task_object, belonging));
}

static const struct belonging_kind kind = {.name = "task", .end = end_belonging};

static void make_due(struct task_object *object) {
  struct runtime *runtime = object->runtime;
  list_remove(&object->link);
  list_append(&runtime->tasks_due, &object->link);
  net_defer_ask(runtime->defer);
}

/* task.spawn(f, ...) -> task: runs f(...) beside the caller */
static int l_task_spawn(lua_State *L) {
  runtime_check_alive(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int count = lua_gettop(L);
  struct runtime *runtime = runtime_of(L);
  struct version *version = version_of(L);
  struct task_object *object = lua_newuserdatauv(L, sizeof *object, 2);
  *object = (struct task_object){.runtime = runtime, .reference = LUA_NOREF, .state = READY};
  object->world = vm_world_in_force(runtime->vm);
  list_init(&object->link);
  list_init(&object->belonging.link);
  luaL_setmetatable(L, type_name);
  lua_insert(L, 1);
  lua_createtable(L, count, 1);
  lua_insert(L, 2);
  for (int i = count; i >= 1; i--) lua_rawseti(L, 2, i);
  lua_pushinteger(L, count);
  lua_setfield(L, 2, "n");
  lua_setiuservalue(L, 1, 1);
  lua_pushvalue(L, 1);
  object->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  vm_world_ref(object->world);
  version_own(version, &object->belonging, &kind);
  runtime->task_count++;
  make_due(object);
  return 1;
}

static int joined(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  const struct task_object *object = lua_touserdata(L, 1);
  lua_settop(L, 1);
  if (object->state == ENDED && !object->failed && !object->cancelled) {
    lua_pushboolean(L, true);
    lua_getiuservalue(L, 1, 1);
    int count = unpack(L, 3);
    lua_remove(L, 3);
    return count + 1;
  }
  luaL_pushfail(L);
  if (object->state != ENDED) {
    lua_pushliteral(L, "timeout");
  } else if (object->cancelled) {
    lua_pushliteral(L, "cancelled");
  } else {
    lua_pushliteral(L, "error");
    lua_getiuservalue(L, 1, 2);
    return 3;
  }
  return 2;
}

/* task:join([seconds]) -> true, results… | nil, "error", message | nil, "cancelled" | nil, "timeout" */
static int l_task_join(lua_State *L) {
  struct task_object *object = luaL_checkudata(L, 1, type_name);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  api_check_count(L, 2, NULL);
  if (object->state == ENDED) return joined(L, LUA_OK, 0);
  if (vm_running_owner(object->runtime->vm) == object) {
    return luaL_error(L, "a task cannot join itself: it would wait for ever");
  }
  api_wait_begin(L, &object->joiner, timeout_ms, "join() of this task");
  return vm_wait(L, 0, joined);
}

/* task:cancel() -> true when it had not ended: it ends where it waits, its variables are closed */
static int l_task_cancel(lua_State *L) {
  struct task_object *object = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 1, NULL);
  lua_pushboolean(L, object->state != ENDED);
  if (object->state == ENDED) return 1;
  struct vm *vm = object->runtime->vm;
  if (object->state == READY) {
    object->cancelled = true;
  } else if (object->task) {
    vm_condemn(object->task);
  } else if (vm_running_owner(vm) == object) { /* it has not waited yet */
    vm_condemn(vm_running(vm));
  }
  make_due(object);
  return 1;
}

/* task:status(): "ready", "running" (or waiting), "done", "failed", "cancelled" */
static int l_task_status(lua_State *L) {
  const struct task_object *object = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 1, NULL);
  const char *status = object->state == READY ? "ready" : "running";
  if (object->state == ENDED) status = object->failed ? "failed" : "done";
  if (object->cancelled) status = "cancelled";
  lua_pushstring(L, status);
  return 1;
}

static const luaL_Reg methods[] = {
    {"join", l_task_join}, {"cancel", l_task_cancel}, {"status", l_task_status}, {NULL, NULL}};

const struct api_type api_task_type = {.name = type_name, .methods = methods};
const luaL_Reg api_task_functions[] = {{"spawn", l_task_spawn}, {NULL, NULL}};
