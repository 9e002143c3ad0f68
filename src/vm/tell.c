/* vm/tell.c — what runs in a state, told to those who watch. Knows Lua, not who watches.
 *
 * A task is told from the call of a handler to its end; `told` in the task is that handler's name,
 * and NULL while nothing is told of it, which is all that a task costs when nobody watches. */
#include "vm/tell.h"

#include "base/tap.h"
#include "vm/vm_state.h"

#include <time.h>

void vm_set_tap(struct vm *vm, struct tap *tap, const char *script) {
  vm->tap = tap;
  vm->script = script;
}

static uint64_t now_ns(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void tell(const struct vm_task *task, struct event *event) {
  struct vm *vm = task->vm;
  if (!tap_wants(vm->tap, event->kind)) return;
  event->conn = task->conn_id;
  event->script = vm->script;
  tap_emit(vm->tap, event);
}

/* A file's name as it was given; of other code, what its author called it. */
static struct event_place place_of(const lua_Debug *debug, int line) {
  bool named = *debug->source == '@' || *debug->source == '=';
  return (struct event_place){
      .file = named ? debug->source + 1 : "(string)",
      .line = line > 0 ? (uint64_t)line : 0,
  };
}

static struct event_place place_at(lua_State *L, int level) {
  lua_Debug debug;
  if (!lua_getstack(L, level, &debug) || !lua_getinfo(L, "Sl", &debug) || *debug.what == 'C') {
    return (struct event_place){0};
  }
  return place_of(&debug, debug.currentline);
}

struct event_place vm_caller_place(lua_State *L) {
  return place_at(L, 1);
}

const char *vm_running_handler(const struct vm *vm, struct event_place *out) {
  const struct vm_task *task = vm->shared->running;
  lua_Debug debug;
  if (!task) return NULL;
  for (int level = 0; lua_getstack(task->L, level, &debug); level++) {
    if (lua_getinfo(task->L, "S", &debug) && *debug.what != 'C') {
      *out = place_of(&debug, debug.linedefined);
    }
  }
  return task->name;
}

static void tell_handled(struct vm_task *task, const char *outcome) {
  struct event event = {.kind = EVENT_HANDLED};
  event.of.handled.handler = task->told;
  event.of.handled.outcome = outcome;
  event.of.handled.lua_ns = task->lua_ns;
  event.of.handled.took_ns = now_ns() - task->told_ns;
  event.of.handled.waits = task->waits;
  tell(task, &event);
  task->told = NULL;
}

void vm_tell_returned(lua_State *L) {
  struct vm_task *task = vm_of(L)->shared->running;
  if (task->told) vm_tell_left(task, "done");
}

void vm_tell_handler(lua_State *L, const char *name, int index) {
  struct vm_task *task = vm_of(L)->shared->running;
  lua_Debug debug;
  vm_tell_returned(L);
  lua_pushvalue(L, index);
  lua_getinfo(L, ">S", &debug);
  struct event_place place = place_of(&debug, debug.linedefined);
  struct event event = {.kind = EVENT_HANDLER};
  event.of.handler.handler = name;
  event.of.handler.file = place.file;
  event.of.handler.line = place.line;
  tell(task, &event);
  task->told = name;
  task->told_ns = task->entered_ns = event.time_ns ? event.time_ns : now_ns();
  task->lua_ns = task->waits = 0;
}

void vm_tell_wake(struct vm_task *task) {
  struct event event = {.kind = EVENT_WAKE};
  event.of.wake.handler = task->told;
  tell(task, &event);
  task->entered_ns = now_ns();
}

/* The innermost function of a task that waits is the one that made it wait. */
static void tell_wait(struct vm_task *task) {
  lua_Debug debug = {0};
  struct event event = {.kind = EVENT_WAIT};
  struct event_place place = place_at(task->L, 1);
  if (lua_getstack(task->L, 0, &debug)) lua_getinfo(task->L, "n", &debug);
  event.of.wait.call = debug.name;
  event.of.wait.file = place.file;
  event.of.wait.line = place.line;
  tell(task, &event);
  task->waits++;
}

void vm_tell_left(struct vm_task *task, const char *outcome) {
  task->lua_ns += now_ns() - task->entered_ns;
  if (outcome) {
    tell_handled(task, outcome);
  } else {
    tell_wait(task);
  }
}

void vm_tell_cancelled(struct vm_task *task) {
  tell_handled(task, "cancelled");
}
