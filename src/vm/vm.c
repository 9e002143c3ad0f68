/* vm/vm.c — one Lua state: made, limited and freed. Knows Lua, not libuv. */
#include "vm/vm_state.h"

#include "vm/task.h"
#include "vm/watchdog.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Refuses what goes beyond the budget; Lua then collects, and if that does not help raises "not
 * enough memory" in whoever asked. Shrinking never fails. */
static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  struct vm *vm = context;
  if (!block) old_size = 0; /* a type tag then, not a size */
  if (new_size == 0) {
    vm->memory_bytes -= old_size;
    free(block);
    return NULL;
  }
  if (new_size > old_size && vm->memory_bytes + (new_size - old_size) > vm->budget.memory_bytes_max) {
    return NULL;
  }
  void *grown = realloc(block, new_size);
  if (grown) vm->memory_bytes += new_size - old_size;
  return grown;
}

/* An error outside a protected call: by design there is none, so there is nothing to save. */
static int on_panic(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  fprintf(stderr, "moonport: internal error: Lua panic: %s\n", message ? message : "(no message)");
  return 0; /* Lua aborts */
}

/* lua_warning() may come in pieces; `warn` gets a line. */
static void on_warning(void *context, const char *text, int to_be_continued) {
  struct vm *vm = context;
  if (!to_be_continued && text[0] == '@') return; /* control messages: always on here */
  if (vm->options.warn) vm->options.warn(vm->options.context, text, strlen(text));
}

static int open_all(lua_State *L) {
  struct vm *vm = lua_touserdata(L, 1);
  lua_settop(L, 0);
  vm_open_libraries(L);
  vm_open_coroutine(L);
  vm_open_searchers(L);
  if (vm->options.watchdog) vm_watchdog_attach(vm->options.watchdog, L);
  return 0;
}

struct vm *vm_new(const struct vm_options *options, const struct vm_budget *budget) {
  struct vm *vm = calloc(1, sizeof *vm);
  if (!vm) return NULL;
  vm->options = *options;
  vm->budget = *budget;
  vm->L = lua_newstate(allocate, vm);
  if (!vm->L) {
    free(vm);
    return NULL;
  }
  lua_atpanic(vm->L, on_panic);
  lua_setwarnf(vm->L, on_warning, vm);
  /* Every coroutine starts with a copy of the main thread's extra space. */
  memcpy(lua_getextraspace(vm->L), &vm, sizeof vm);
  char error[1];
  if (!vm_protect(vm, open_all, vm, error, sizeof error)) {
    vm_free(vm);
    return NULL;
  }
  return vm;
}

void vm_free(struct vm *vm) {
  vm->no_wait_why = "the script is being unloaded";
  lua_close(vm->L);
  vm_free_tasks(vm);
  free(vm);
}

void vm_set_budget(struct vm *vm, const struct vm_budget *budget) {
  vm->budget = *budget;
}

size_t vm_memory_bytes(const struct vm *vm) {
  return vm->memory_bytes;
}

lua_State *vm_state(struct vm *vm) {
  return vm->L;
}

struct vm *vm_of(lua_State *L) {
  struct vm *vm;
  memcpy(&vm, lua_getextraspace(L), sizeof vm);
  return vm;
}

void *vm_context(const struct vm *vm) {
  return vm->options.context;
}

bool vm_protect(struct vm *vm, lua_CFunction body, void *argument, char *error, size_t error_size) {
  lua_State *L = vm->L;
  lua_pushcfunction(L, body); /* needs no memory, and the main thread's stack is always near empty */
  lua_pushlightuserdata(L, argument);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(not a string)";
  snprintf(error, error_size, "%s", message);
  lua_pop(L, 1);
  return false;
}
