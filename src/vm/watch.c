/* vm/watch.c — the budget of processor time around each entry into Lua. Knows no task. */
#include "vm/vm_state.h"
#include "vm/watchdog.h"

void vm_watch(struct vm *vm, lua_State *L, unsigned cpu_ms_max) {
  if (vm->options.watchdog) vm_watchdog_enter(vm->options.watchdog, L, cpu_ms_max);
}

void vm_watch_begin(struct vm *vm, lua_State *L) {
  vm_watch(vm, L, vm->budget.cpu_ms_max);
}

bool vm_watch_end(struct vm *vm) {
  bool overdue = vm->options.watchdog && vm_watchdog_leave(vm->options.watchdog);
  vm->shared->ended = NULL;
  return overdue;
}
