/* api/evaluate.c — code that somebody types, run in a script's state — does not know who typed it.
 *
 * It is a task like a handler: within the budgets, and it may wait, though not for ever. What it
 * sees by name is api/evaluate_names.c. */
#include "api/evaluate.h"

#include "api/evaluate_names.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/values.h"
#include "api/written.h"
#include "net/timer.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

struct evaluation {
  struct runtime *runtime;
  const struct evaluation_events *events; /* NULL: nobody listens any more */
  void *owner;
  const char *code; /* until it runs */
  size_t code_size;
  struct vm_task *task;    /* while it waits */
  struct net_timer *timer; /* until when it may */
  bool is_overdue;
  /* What `print` prints to, kept by the registry: the function may outlive this. */
  struct evaluation **printer;
  int printer_reference;
};

/* print(...) */
static int l_print(lua_State *L) {
  struct evaluation **printer = lua_touserdata(L, lua_upvalueindex(1));
  if (!*printer || !(*printer)->events) return api_print(L);
  api_push_line(L);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  (*printer)->events->on_print((*printer)->owner, text, size);
  return 0;
}

static void push_print(lua_State *L, struct evaluation *evaluation) {
  struct evaluation **printer = lua_newuserdatauv(L, sizeof(struct evaluation *), 0);
  *printer = NULL;
  lua_pushvalue(L, -1);
  evaluation->printer_reference = luaL_ref(L, LUA_REGISTRYINDEX);
  evaluation->printer = printer;
  *printer = evaluation;
  lua_pushcclosure(L, l_print, 1);
}

/* As the lua prompt does it: an expression, or else statements. Raises what is wrong with those. */
static void push_chunk(lua_State *L, const struct evaluation *evaluation) {
  static const char name[] = "=console";
  size_t size;
  lua_pushliteral(L, "return ");
  lua_pushlstring(L, evaluation->code, evaluation->code_size);
  lua_concat(L, 2);
  const char *expression = lua_tolstring(L, -1, &size);
  if (luaL_loadbufferx(L, expression, size, name, "t") != LUA_OK) {
    lua_pop(L, 1);
    int rc = luaL_loadbufferx(L, evaluation->code, evaluation->code_size, name, "t");
    if (rc != LUA_OK) lua_error(L);
  }
  lua_remove(L, -2);
}

static int evaluated(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct evaluation *evaluation = lua_touserdata(L, 1);
  int last = lua_gettop(L);
  for (int i = 2; i <= last; i++) {
    size_t size;
    const char *text = api_push_written(L, i, &size);
    if (evaluation->events) evaluation->events->on_result(evaluation->owner, text, size);
    lua_pop(L, 1);
  }
  return 0;
}

/* Runs in the coroutine; the evaluation stays at index 1. */
static int run(lua_State *L) {
  struct evaluation *evaluation = lua_touserdata(L, 1);
  push_chunk(L, evaluation);
  push_print(L, evaluation);
  api_push_names(L);
  lua_setupvalue(L, 2, 1); /* _ENV */
  if (api_tells_handlers(evaluation->runtime)) api_tell_handler(L, "console", 2);
  lua_callk(L, 0, LUA_MULTRET, 0, evaluated);
  return evaluated(L, LUA_OK, 0);
}

/* Tells the end, unless that was told, and frees it. */
static void evaluation_end(struct evaluation *evaluation, const char *error,
                           const char *traceback) {
  const struct evaluation_events *events = evaluation->events;
  if (evaluation->timer) net_timer_close(evaluation->timer);
  if (evaluation->printer) *evaluation->printer = NULL;
  luaL_unref(vm_state(evaluation->runtime->vm), LUA_REGISTRYINDEX, evaluation->printer_reference);
  if (events) events->on_end(evaluation->owner, error, traceback);
  free(evaluation);
}

static void evaluation_on_fail(void *self, const struct vm_failure *failure) {
  struct evaluation *evaluation = self;
  const struct evaluation_events *events = evaluation->events;
  evaluation->events = NULL;
  if (events) events->on_end(evaluation->owner, failure->message, failure->traceback);
}

static void evaluation_on_end(void *self, bool failed) {
  (void)failed; /* evaluation_on_fail() has told it */
  evaluation_end(self, NULL, NULL);
}

static void evaluation_on_cancel(void *self) {
  struct evaluation *evaluation = self;
  char error[100] = "the script ends, and so does what it was asked";
  if (evaluation->is_overdue) {
    snprintf(error, sizeof error, "it waited for more than %d s, and was ended",
             EVALUATION_WAIT_MS_MAX / 1000);
  }
  evaluation_end(evaluation, error, NULL);
}

static void evaluation_on_overdue(void *owner) {
  struct evaluation *evaluation = owner;
  evaluation->is_overdue = true;
  runtime_cancel(evaluation->runtime, evaluation->task);
}

static unsigned cpu_ms_max(const struct runtime *runtime) {
  unsigned max = runtime->current->service.cpu_ms_max;
  return max > 0 && max < EVALUATION_CPU_MS_MAX ? max : EVALUATION_CPU_MS_MAX;
}

static struct evaluation *evaluation_start(struct evaluation *evaluation) {
  struct runtime *runtime = evaluation->runtime;
  const struct vm_owner owner = {
      .self = evaluation,
      .name = "console",
      .world = runtime->current->world,
      .cpu_ms_max = cpu_ms_max(runtime),
      .on_fail = evaluation_on_fail,
      .on_end = evaluation_on_end,
      .on_cancel = evaluation_on_cancel,
  };
  enum vm_status status = runtime_enter(runtime, run, evaluation, &owner, &evaluation->task);
  if (status != VM_WAITING) {
    evaluation_end(evaluation, NULL, NULL);
    return NULL;
  }
  evaluation->timer =
      net_timer_open(runtime->loop, EVALUATION_WAIT_MS_MAX, 0, evaluation_on_overdue, evaluation);
  if (evaluation->timer) return evaluation;
  runtime_cancel(runtime, evaluation->task);
  return NULL;
}

struct evaluation *api_evaluate(struct runtime *runtime, const char *code, size_t size,
                                const struct evaluation_events *events, void *owner) {
  struct evaluation *evaluation = malloc(sizeof *evaluation);
  if (!evaluation) {
    events->on_end(owner, "not enough memory", NULL);
    return NULL;
  }
  *evaluation = (struct evaluation){
      .runtime = runtime,
      .events = events,
      .owner = owner,
      .code = code,
      .code_size = size,
      .printer_reference = LUA_NOREF,
  };
  return evaluation_start(evaluation);
}

void api_evaluation_abandon(struct evaluation *evaluation) {
  evaluation->events = NULL;
  runtime_cancel(evaluation->runtime, evaluation->task);
}
