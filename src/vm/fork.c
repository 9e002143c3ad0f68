/* vm/fork.c — a module in C that forks: what its child may do, and that it comes back to no loop. Knows no
 * server.
 *
 * The child has copies of all connections and of the loop: went it on, it would send twice what the handler
 * has queued, and take events from its parent. It may run to the end of the handler, execute a program, or
 * end itself; then it is ended. The child of a program ends without a word where the program does. */
#include "vm/fork.h"

#include "vm/vm_state.h"
#include "vm/watchdog.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What pthread_atfork(3) calls is given nothing. */
static struct vm_watchdog *watched;
static const struct vm *watched_program;

static void fork_on_child(void) {
  lua_State *L = watched ? vm_watchdog_running(watched) : NULL;
  struct vm_shared *shared = L ? vm_of(L)->shared : NULL;
  if (watched_program && watched_program->shared->frame) shared = watched_program->shared;
  if (!shared) return;
  shared->has_forked = shared->collected = true; /* the latter is looked at when the entry ends */
}

static void fork_register(void) {
  static bool is_registered;
  if (!is_registered) is_registered = pthread_atfork(NULL, NULL, fork_on_child) == 0;
}

void vm_fork_watch(struct vm_watchdog *watchdog) {
  watched = watchdog;
  fork_register();
}

void vm_fork_watch_program(const struct vm *vm) {
  watched_program = vm;
  fork_register();
}

bool vm_has_forked(const struct vm *vm) {
  return vm->shared->has_forked;
}

void vm_fork_end(const struct vm *vm, int rc) {
  static const char of_server[] =
      "a module in C has forked, and the child came back to serve: it is ended; let it execute a "
      "program, or end itself, before the handler ends";
  static const char of_program[] =
      "a module in C has forked, and the child waits for what its parent waits for, or has raised: "
      "it "
      "is ended; let it execute a program, or end itself, before it waits";
  const char *text = watched_program ? of_program : of_server;
  if (watched_program && rc == LUA_OK) {
    fflush(stdout);
    _exit(0);
  }
  vm->options.warn(vm->options.context, text, strlen(text));
  _exit(1);
}
