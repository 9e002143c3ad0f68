/* api/wait.c — one place where a coroutine may wait, with or without a time limit. */
#include "api/wait.h"

#include "api/runtime.h"
#include "net/defer.h"
#include "net/timer.h"

#include <lauxlib.h>

static void wait_on_timeout(void *owner) {
  api_wait_time_out(owner);
}

void api_wait_begin(lua_State *L, struct api_wait *wait, uint64_t timeout_ms, const char *what) {
  struct vm_ticket ticket = vm_wait_ticket(L);
  if (!api_wait_pending(wait)) api_wait_forget(wait); /* of a task that was cancelled */
  if (wait->ticket.task) luaL_error(L, "another coroutine already waits in %s", what);
  wait->runtime = runtime_of(L);
  wait->timed_out = false;
  if (timeout_ms) {
    wait->timer = net_timer_open(wait->runtime->loop, timeout_ms, 0, wait_on_timeout, wait);
    if (!wait->timer) luaL_error(L, "not enough memory");
  }
  wait->ticket = ticket;
  list_append(&wait->runtime->waits, &wait->link);
}

bool api_wait_pending(const struct api_wait *wait) {
  return wait->ticket.task != NULL && vm_ticket_is_live(wait->ticket);
}

void api_wait_forget(struct api_wait *wait) {
  if (!wait->ticket.task) return;
  list_remove(&wait->link);
  if (wait->timer) net_timer_close(wait->timer);
  wait->timer = NULL;
  wait->ticket = (struct vm_ticket){0};
}

bool api_wait_wake(struct api_wait *wait) {
  if (!wait->ticket.task) return false;
  struct vm_ticket ticket = wait->ticket;
  struct runtime *runtime = wait->runtime;
  api_wait_forget(wait);
  return runtime_wake(runtime, ticket);
}

void api_wait_wake_later(struct api_wait *wait) {
  if (!wait->ticket.task) return;
  list_remove(&wait->link);
  list_append(&wait->runtime->waits_due, &wait->link);
  net_defer_ask(wait->runtime->defer);
}

void api_wake_due(struct runtime *runtime) {
  struct list due;
  list_take(&due, &runtime->waits_due);
  while (!list_empty(&due)) api_wait_wake(LIST_ELEMENT(due.next, struct api_wait, link));
}

bool api_wait_time_out(struct api_wait *wait) {
  if (!wait->ticket.task) return false;
  wait->timed_out = true;
  return api_wait_wake(wait);
}

static void forget_all(struct list *waits) {
  while (!list_empty(waits)) api_wait_forget(LIST_ELEMENT(waits->next, struct api_wait, link));
}

void api_forget_waits(struct runtime *runtime) {
  forget_all(&runtime->waits);
  forget_all(&runtime->waits_due);
}

uint64_t api_check_timeout_ms(lua_State *L, int index) {
  lua_Number seconds = luaL_optnumber(L, index, 0);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "must be 0 to 1e9 seconds");
  if (seconds == 0) return 0;
  uint64_t ms = (uint64_t)(seconds * 1000 + 0.5);
  return ms ? ms : 1;
}
