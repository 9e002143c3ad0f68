/* api/wait.h — one place where a coroutine may wait, with or without a time limit, for api/ only. */
#pragma once

#include "base/list.h"
#include "vm/task.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct runtime;

/* Zeroed: nobody waits. Whoever frees the memory around it calls api_wait_forget() first. */
struct api_wait {
  struct runtime *runtime;
  struct vm_ticket ticket;
  struct list link;        /* in the runtime's list while somebody waits */
  struct net_timer *timer; /* NULL: no limit */
  bool timed_out;          /* why the last wait ended */
};

/* To be followed by vm_wait(). `what` names the call for the error when another coroutine waits
 * here already. A timeout of 0 is none. Raises, and then nothing was set up. */
void api_wait_begin(lua_State *L, struct api_wait *wait, uint64_t timeout_ms, const char *what);
bool api_wait_pending(const struct api_wait *wait);
/* Goes on where the coroutine waits; false when none did. */
bool api_wait_wake(struct api_wait *wait);
/* The same in the next turn of the loop: for what happens inside a call that a script made. */
void api_wait_wake_later(struct api_wait *wait);
/* Wakes those. For the runtime's turn. */
void api_wake_due(struct runtime *runtime);
/* As api_wait_wake(), and says that time is up. */
bool api_wait_time_out(struct api_wait *wait);
/* Whoever waits is not woken any more. */
void api_wait_forget(struct api_wait *wait);

/* Nobody in the script is woken any more: it is about to be freed. */
void api_forget_waits(struct runtime *runtime);

/* An argument in seconds as ms: nil and 0 are "no limit" (0). Raises. */
uint64_t api_check_timeout_ms(lua_State *L, int index);
