/* api/gate.c — gates of moonport.task: where coroutines wait until somebody lets them pass.
 *
 * Who waits is let pass by open() itself, and goes on in the next turn of the loop, whatever becomes of
 * the gate until then: so open() and close() in a row let those pass who wait, and nobody else. */
#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/wait.h"

#include <lauxlib.h>

static const char type_name[] = "moonport.gate";
static const char waiter_name[] = "moonport.gate.waiter";

/* The payload of a userdata "moonport.gate". */
struct gate {
  struct list waiters; /* those who came first, first */
  bool is_open;
};

/* One that waits: a userdata on the stack of its coroutine, which keeps the gate. When that coroutine
 * is cancelled, it is garbage, and leaves the gate then. */
struct waiter {
  struct api_wait wait;
  struct list link;
  bool passed;
};

static int l_waiter_gc(lua_State *L) {
  struct waiter *waiter = lua_touserdata(L, 1);
  api_wait_forget(&waiter->wait);
  list_remove(&waiter->link);
  return 0;
}

static struct waiter *new_waiter(lua_State *L) {
  struct waiter *waiter = lua_newuserdatauv(L, sizeof *waiter, 1);
  *waiter = (struct waiter){0};
  list_init(&waiter->link);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, waiter_name);
  return waiter;
}

static int waited(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  struct waiter *waiter = lua_touserdata(L, -1);
  list_remove(&waiter->link);
  return waiter->passed ? api_push_true(L) : api_push_timeout(L, NULL);
}

/* gate:wait([seconds]) -> true | nil, "timeout" */
static int l_gate_wait(lua_State *L) {
  struct gate *gate = luaL_checkudata(L, 1, type_name);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  api_check_count(L, 2, NULL);
  (void)vm_wait_ticket(L); /* raises where no wait is possible, also when none is needed */
  if (gate->is_open) {
    return api_push_true(L);
  }
  struct waiter *waiter = new_waiter(L);
  api_wait_begin(L, &waiter->wait, timeout_ms, "wait() of a gate");
  list_append(&gate->waiters, &waiter->link);
  return vm_wait(L, 0, waited);
}

/* gate:open() -> how many waited */
static int l_gate_open(lua_State *L) {
  struct gate *gate = luaL_checkudata(L, 1, type_name);
  lua_Integer count = 0;
  api_check_count(L, 1, NULL);
  gate->is_open = true;
  while (!list_empty(&gate->waiters)) {
    struct waiter *waiter = LIST_ELEMENT(gate->waiters.next, struct waiter, link);
    list_remove(&waiter->link);
    if (!api_wait_pending(&waiter->wait)) continue; /* it was cancelled */
    waiter->passed = true;
    api_wait_wake_later(&waiter->wait);
    count++;
  }
  lua_pushinteger(L, count);
  return 1;
}

/* gate:close(): who comes from now on waits */
static int l_gate_close(lua_State *L) {
  struct gate *gate = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 1, NULL);
  gate->is_open = false;
  return 0;
}

/* task.gate() -> gate, which is closed */
static int l_task_gate(lua_State *L) {
  api_check_count(L, 0, NULL);
  struct gate *gate = lua_newuserdatauv(L, sizeof *gate, 0);
  *gate = (struct gate){0};
  list_init(&gate->waiters);
  luaL_setmetatable(L, type_name);
  return 1;
}

static const luaL_Reg methods[] = {
    {"wait", l_gate_wait}, {"open", l_gate_open}, {"close", l_gate_close}, {NULL, NULL}};

const struct api_type api_gate_type = {.name = type_name, .methods = methods};
const struct api_type api_waiter_type = {.name = waiter_name, .finalizer = l_waiter_gc};
const luaL_Reg api_gate_functions[] = {{"gate", l_task_gate}, {NULL, NULL}};
