/* vm/failure.c — what follows when a task has failed: its text, its traceback, what it still held. Knows no
 * owner but by its on_fail. */
#include "vm/task.h"

#include "vm/vm_state.h"

#include <lauxlib.h>
#include <string.h>

/* Around what is left of a task that has ended. */
static void watch_ended(struct vm_task *task, lua_State *L, const char *what) {
  task->vm->shared->ended = task;
  task->vm->shared->ended_what = what;
  vm_watch_begin(task->vm, L);
}

struct description {
  struct vm_task *task;
  int rc;
  int error;        /* index of the error value */
  const char *type; /* of that */
  bool has_text;
};

/* In place of the message on top one that says more, if there is, and memory for it. */
static void explain(lua_State *L, const struct vm_task *task) {
  if (!task->vm->options.explain) return;
  lua_pushcfunction(L, task->vm->options.explain);
  lua_pushlightuserdata(L, task->L);
  lua_pushvalue(L, -3);
  bool explained = lua_pcall(L, 2, 1, 0) == LUA_OK && !lua_isnil(L, -1);
  lua_remove(L, explained ? -2 : -1);
}

/* Its arguments are the description and the error's text, or why there is none. Leaves message and
 * traceback on the stack. */
static int task_describe(lua_State *L) {
  const struct description *description = lua_touserdata(L, 1);
  if (description->rc == LUA_ERRMEM) {
    lua_pushliteral(L, "not enough memory");
  } else if (!description->has_text) {
    const char *why = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "an error value again";
    lua_pushfstring(L, "(a %s as error value, and its __tostring raised: %s)", description->type,
                    why);
  }
  if (description->rc != LUA_ERRMEM) explain(L, description->task);
  luaL_traceback(L, description->task->L, NULL, 0);
  return 2;
}

/* Pushes the arguments of task_describe(). A __tostring of the script's may raise, or loop: it is
 * entered by itself, so that what ends it does not end the description too. */
static void push_description(lua_State *L, struct description *description) {
  struct vm_task *task = description->task;
  lua_pushlightuserdata(L, description);
  lua_pushcfunction(L, vm_error_text);
  lua_pushvalue(L, description->error);
  description->type = luaL_typename(L, -1);
  if (description->rc == LUA_ERRMEM) { /* the text is known */
    lua_remove(L, -2);
    return;
  }
  lua_pushlightuserdata(L, task->L);
  watch_ended(task, L, "the __tostring of an error of ");
  description->has_text = lua_pcall(L, 2, 1, 0) == LUA_OK;
  vm_watch_end(task->vm);
}

void vm_unwind(struct vm_task *task, int error) {
  lua_State *L = task->vm->shared->L;
  if (error) { /* on top is what each __close is given */
    lua_pushvalue(L, error);
    lua_xmove(L, task->L, 1);
  }
  watch_ended(task, task->L, "the __close of ");
#if LUA_VERSION_RELEASE_NUM >= 50406
  int rc = lua_closethread(task->L, L);
#else
  int rc = lua_resetthread(task->L);
#endif
  vm_watch_end(task->vm);
  if (rc == LUA_OK) return;
  lua_xmove(task->L, L, 1);
  if (!error || !lua_rawequal(L, -1, error)) {
    watch_ended(task, L, "the __tostring of an error of ");
    vm_warn_of_close(L);
    vm_watch_end(task->vm);
  }
  lua_pop(L, 1);
}

/* When memory runs out Lua collects, but runs no finalizers then: what has one stays, and so would a
 * state that is full of it. */
static void collect_all(struct vm *vm) {
  lua_State *L = vm->shared->L;
  vm_watch_begin(vm, L);
  lua_gc(L, LUA_GCCOLLECT);
  vm_watch_end(vm);
}

void vm_report(struct vm_task *task, int rc, bool overdue) {
  lua_State *L = task->vm->shared->L;
  struct description description = {.task = task, .rc = rc};
  int top = lua_gettop(L); /* not 0 when on_fail of an earlier failure entered a handler */
  struct vm_failure failure = {
      .message = "not enough memory", .message_size = 17, .at_limit = overdue || rc == LUA_ERRMEM};
  lua_xmove(task->L, L, 1);
  description.error = top + 1;
  lua_pushcfunction(L, task_describe);
  push_description(L, &description);
  lua_pushvalue(L, -1);
  lua_insert(L, top + 2); /* a finalizer may use the time up, and there is still the text */
  vm_watch_begin(task->vm, L);
  int described = lua_pcall(L, 2, 2, 0);
  vm_watch_end(task->vm);
  if (described == LUA_OK) {
    failure.message = lua_tolstring(L, -2, &failure.message_size);
    failure.traceback = lua_tolstring(L, -1, &failure.traceback_size);
  } else if (description.has_text) {
    failure.message = lua_tolstring(L, top + 2, &failure.message_size);
  } else if (rc != LUA_ERRMEM) {
    failure.message = "(an error value that nothing could make a text of)";
    failure.message_size = strlen(failure.message);
  }
  if (!overdue) vm_unwind(task, description.error);
  if (rc == LUA_ERRMEM) collect_all(task->vm);
  task->on_fail(task->owner, &failure);
  lua_settop(L, top);
}
