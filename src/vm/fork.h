/* vm/fork.h — a module in C that forks: its child comes back to no loop. */
#pragma once

struct vm;
struct vm_watchdog;

/* From now on a child that is forked while a script runs ends when its entry into Lua does. NULL: no more. */
void vm_fork_watch(struct vm_watchdog *watchdog);
/* The same of a program, which is the only one to run. Its child may come to the program's end as well. */
void vm_fork_watch_program(const struct vm *vm);
/* Ends the process, which is such a child, and whose entry ended with `rc` of lua_resume(). */
__attribute__((noreturn)) void vm_fork_end(const struct vm *vm, int rc);
