/* vm/fork.c — a module in C that forks: what its child may do, and that it comes back to no server. Knows no
 * server.
 *
 * The child has copies of all connections and of the loop: went it on, it would send twice what the handler
 * has queued, and take events from its parent. It may run to the end of the handler, execute a program, or
 * end itself; then it is ended. */
#include "vm/fork.h"

#include "vm/vm_state.h"
#include "vm/watchdog.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* What pthread_atfork(3) calls is given nothing. */
static struct vm_watchdog *watched;

static void fork_on_child(void) {
  lua_State *L = watched ? vm_watchdog_running(watched) : NULL;
  if (!L) return;
  struct vm_shared *shared = vm_of(L)->shared;
  shared->has_forked = shared->collected = true; /* the latter is looked at when the entry ends */
}

void vm_fork_watch(struct vm_watchdog *watchdog) {
  static bool is_registered;
  watched = watchdog;
  if (!is_registered) is_registered = pthread_atfork(NULL, NULL, fork_on_child) == 0;
}

void vm_fork_end(const struct vm *vm) {
  static const char text[] =
      "a module in C has forked, and the child came back to serve: it is ended; let it execute a "
      "program, or end itself, before the handler ends";
  vm->options.warn(vm->options.context, text, strlen(text));
  _exit(1);
}
