/* vm/task.h — the only door into Lua: coroutines that run, wait and are woken. Knows no libuv.
 *
 * Whatever a script does runs in a task: a cached coroutine with an owner. A C function that has to
 * wait calls vm_wait(); when what it waits for has come, somebody calls vm_wake(). Entries never
 * nest: both functions are for the loop, not for code that Lua called. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct durations;
struct vm;
struct vm_world;
struct vm_task; /* opaque; lent by the state from vm_enter() until the coroutine ends */

/* One wait of one task. It may be kept beyond that wait: waking it then does nothing. */
struct vm_ticket {
  struct vm_task *task; /* NULL: nobody waits */
  uint64_t turn;
};

struct vm_failure {
  const char *message; /* never NULL; valid during the call */
  size_t message_size;
  const char *traceback; /* NULL when memory for it was out */
  size_t traceback_size;
  bool at_limit; /* of processor time or memory, which ended it */
};

enum vm_status { VM_DONE, VM_WAITING, VM_FAILED };

/* Who is told how a task ends. */
struct vm_owner {
  void *self;
  const char *name;       /* of what runs, for people: "on_data", "timer" */
  uint64_t conn_id;       /* whose work this is, for the log; 0: nobody's */
  struct vm_world *world; /* whose code runs: the task keeps it alive */
  unsigned cpu_ms_max;    /* per entry, instead of the state's; 0: the state's */
  /* Where the time is counted that it is in Lua, without what it waits; lives as long as `world`. NULL:
   * nowhere. */
  struct durations *durations;
  /* It raised. Comes before on_end, or before vm_enter() returns VM_FAILED. */
  void (*on_fail)(void *self, const struct vm_failure *failure);
  /* It ended after having waited. */
  void (*on_end)(void *self, bool failed);
  /* It was cancelled while it waited; its variables are closed. */
  void (*on_cancel)(void *self);
};

/* Runs body(argument) in a coroutine until it ends or waits. `argument` (a light userdata) is valid
 * until the first wait. With VM_WAITING, *out (unless NULL) is the task, until on_end. */
enum vm_status vm_enter(struct vm *vm, lua_CFunction body, void *argument,
                        const struct vm_owner *owner, struct vm_task **out);
/* Goes on where the task waits: its vm_wait() continuation runs. False when that wait is over
 * already, or its task has ended. */
bool vm_wake(struct vm_ticket ticket);
bool vm_ticket_is_live(struct vm_ticket ticket);

/* For whoever will wake the coming vm_wait(). Raises like vm_wait() where that would, so that
 * nothing is set up in vain. */
struct vm_ticket vm_wait_ticket(lua_State *L);
/* Ends a task that waits: its to-be-closed variables are closed, then on_cancel comes. Not while Lua
 * runs. */
void vm_cancel(struct vm_task *task);
/* Its vm_cancel() follows once Lua does not run: the wait that it is in, or its next one, ends so and
 * in no other way. */
void vm_condemn(struct vm_task *task);
/* Ends every task of `world` that waits. What its owners begin then may wait again. */
void vm_cancel_world(struct vm *vm, const struct vm_world *world);
/* Ends every task that waits, before the state is freed: with `why_not`, nothing can wait any more. */
void vm_cancel_all(struct vm *vm, const char *why_not);

/* Like lua_yieldk(L, 0, context, k), for `return`. Raises, and says why, where no wait is possible:
 * while a script loads, in a finalizer, under a C function that cannot yield. */
int vm_wait(lua_State *L, lua_KContext context, lua_KFunction k);
/* Inside of a task that has not waited: whether it may go on with work of somebody else, who has a
 * budget of his own. If so vm_hand_over() says whose it is, and who is told how it ends. */
bool vm_may_go_on(const struct vm *vm);
void vm_hand_over(const struct vm *vm, void *owner, uint64_t conn_id);
/* Where one entry does several pieces of work, one of them has ended: it is counted by itself. */
void vm_count_lap(const struct vm *vm);
/* The continuation, for lua_callk() and vm_wait(), of a C function that has nothing left to do. */
int vm_nothing_follows(lua_State *L, int status, lua_KContext context);

/* Of the task that runs now; 0 and NULL when none does. */
struct vm_task *vm_running(const struct vm *vm); /* NULL: none */
uint64_t vm_running_conn_id(const struct vm *vm);
void *vm_running_owner(const struct vm *vm); /* its vm_owner.self */
/* The same, if its end is told so; else NULL: it is a task of somebody else's. */
void *vm_running_as(const struct vm *vm, void (*on_end)(void *self, bool failed));
void *vm_task_owner(const struct vm_task *task);
size_t vm_count_waiting(const struct vm *vm); /* tasks that wait */

/* From here on no task may wait, until NULL is given: while a script loads, or has a lock. Returns what
 * was given before. */
const char *vm_forbid_waiting(struct vm *vm, const char *why_not);
