/* vm/fork.h — a module in C that forks: its child comes back to no server. */
#ifndef MOONPORT_VM_FORK_H
#define MOONPORT_VM_FORK_H

struct vm;
struct vm_watchdog;

/* From now on a child that is forked while a script runs ends when its entry into Lua does. NULL: no more. */
void vm_fork_watch(struct vm_watchdog *watchdog);
/* Ends the process, which is such a child. */
__attribute__((noreturn)) void vm_fork_end(const struct vm *vm);

#endif
