/* api/wait.c — one place where a coroutine may wait, with or without a time limit. */
#include "api/wait.h"

#include "api/runtime.h"
#include "net/timer.h"

#include <lauxlib.h>

static void on_timeout(void *owner) {
  api_wait_time_out(owner);
}

void api_wait_begin(lua_State *L, struct api_wait *wait, uint64_t timeout_ms, const char *what) {
  struct vm_ticket ticket = vm_wait_ticket(L);
  if (wait->ticket.task) luaL_error(L, "another coroutine already waits in %s", what);
  wait->runtime = runtime_of(L);
  wait->timed_out = false;
  if (timeout_ms) {
    wait->timer = net_timer_open(wait->runtime->loop, timeout_ms, 0, on_timeout, wait);
    if (!wait->timer) luaL_error(L, "not enough memory");
  }
  wait->ticket = ticket;
}

bool api_wait_pending(const struct api_wait *wait) {
  return wait->ticket.task != NULL;
}

void api_wait_forget(struct api_wait *wait) {
  if (wait->timer) net_timer_close(wait->timer);
  wait->timer = NULL;
  wait->ticket = (struct vm_ticket){0};
}

bool api_wait_wake(struct api_wait *wait) {
  struct vm_ticket ticket = wait->ticket;
  api_wait_forget(wait);
  return ticket.task && runtime_wake(wait->runtime, ticket);
}

bool api_wait_time_out(struct api_wait *wait) {
  if (!api_wait_pending(wait)) return false;
  wait->timed_out = true;
  return api_wait_wake(wait);
}

uint64_t api_check_timeout_ms(lua_State *L, int index) {
  lua_Number seconds = luaL_optnumber(L, index, 0);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "must be 0 to 1e9 seconds");
  if (seconds == 0) return 0;
  uint64_t ms = (uint64_t)(seconds * 1000 + 0.5);
  return ms ? ms : 1;
}
