/* vm/vm.c — one Lua state: made, limited and freed. Knows Lua, not libuv. */
#include "vm/fork.h"
#include "vm/vm_state.h"

#include "base/heap.h"
#include "vm/task.h"
#include "vm/watchdog.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block of that size. It is the one that bytes were read into, when a string is made of them: then
 * another takes its place. */
static void *take_block(struct vm_shared *shared, size_t size) {
  char **room = shared->read;
  shared->read = NULL;
  if (!room || size != shared->read_size) return vm_block_take(&shared->blocks, size);
  char *other = vm_block_take(&shared->blocks, ROOM_SIZE);
  if (!other) return NULL;
  void *block = *room - ROOM_HEAD;
  *room = other + ROOM_HEAD;
  return block;
}

/* Refuses what goes beyond the budget; Lua then collects, and if that does not help raises "not
 * enough memory" in whoever asked. Shrinking never fails. */
static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  struct vm_shared *shared = context;
  if (!block) old_size = 0; /* a type tag then, not a size */
  if (new_size == 0) {
    if (!block) return NULL;
    shared->memory_bytes -= old_size;
    vm_block_give(&shared->blocks, block, old_size);
    return NULL;
  }
  if (new_size > old_size &&
      shared->memory_bytes + (new_size - old_size) > shared->memory_bytes_max) {
    shared->read = NULL;
    return NULL;
  }
  void *grown = block ? vm_block_resize(&shared->blocks, block, old_size, new_size)
                      : take_block(shared, new_size);
  if (grown) shared->memory_bytes += new_size - old_size;
  return grown;
}

/* A collection's worth of large pieces: the C library would give them back to the system each time. */
enum { FREE_BYTES_MAX = 1280 * 1024 };

/* What a small script takes, with its libraries. */
enum { WORLD_BYTES = 96 * 1024 };

/* Not in a build for debugging: sanitizers and valgrind watch what is free. */
#ifdef NDEBUG
enum { KEEPS_SMALL = true };
#else
enum { KEEPS_SMALL = false };
#endif

/* Copies the bytes to where they are, then. */
static void push_read(lua_State *L, struct vm_shared *shared, char **room, size_t size) {
  shared->read = room;
  shared->read_size = ROOM_HEAD + size + 1;
  lua_pushlstring(L, *room, size);
}

void vm_push_read(lua_State *L, char **room, size_t size) {
  struct vm_shared *shared = vm_of(L)->shared;
  if (shared->takes_rooms && size >= BLOCK_ROOM_MIN) {
    push_read(L, shared, room, size);
  } else {
    lua_pushlstring(L, *room, size);
  }
}

/* Whether Lua has ROOM_HEAD bytes in front of a long string's, and one behind them. */
static void try_room(lua_State *L, struct vm_shared *shared, char **room) {
  static const char text[] = "what is longer than forty bytes has an object of its own in Lua";
  char *bytes = memcpy(*room, text, sizeof text);
  push_read(L, shared, room, sizeof text - 1);
  shared->takes_rooms = *room != bytes && lua_tostring(L, -1) == bytes;
  lua_pop(L, 1);
}

/* An error outside a protected call: by design there is none, so there is nothing to save. */
static int vm_on_panic(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  fprintf(stderr, "moonport: internal error: Lua panic: %s\n", message ? message : "(no message)");
  return 0; /* Lua aborts */
}

/* A warning comes in pieces; `warn` gets the whole. */
static void vm_on_warning(void *context, const char *text, int to_be_continued) {
  struct vm_shared *shared = context;
  if (!to_be_continued && !shared->warning[0] && text[0] == '@') return; /* on or off: always on */
  size_t used = strlen(shared->warning);
  snprintf(shared->warning + used, sizeof shared->warning - used, "%s", text);
  if (to_be_continued) return;
  const struct vm_options *options = &shared->vm->options;
  options->warn(options->context, shared->warning, strlen(shared->warning));
  shared->warning[0] = 0;
}

/* Lets garbage reach some 256 KiB before it is collected. A handler's arguments are garbage, so with
 * Lua's pause (twice what is in use) a small script that receives 64 KiB pieces would collect at each
 * of them. With such pieces among it, it is 1 MiB: what is marked is in no cache any more, once they
 * have come through. */
enum {
  GARBAGE_BYTES_MIN = 256 * 1024,
  GARBAGE_BYTES_LARGE = 1024 * 1024,
  PAUSE_MIN = 200,
  PAUSE_MAX = 1000,
};

/* Well below a millisecond of work. */
enum { COLLECT_STEP_KIB = 64 };

void vm_tune_collector(struct vm *vm) {
  if (vm->shared->has_forked) vm_fork_end(vm, LUA_OK);
  size_t used = vm->shared->memory_bytes;
  bool had_large = vm->shared->blocks.free[BLOCK_ROOM] != NULL;
  size_t garbage = had_large ? GARBAGE_BYTES_LARGE : GARBAGE_BYTES_MIN;
  size_t pause = 100 * (used + garbage) / used;
  if (pause < PAUSE_MIN) pause = PAUSE_MIN;
  if (pause > PAUSE_MAX) pause = PAUSE_MAX;
  lua_gc(vm->shared->L, LUA_GCSETPAUSE, (int)pause);
  vm->shared->collected = false;
}

/* Registry key of a string that must never have to be made. */
static const char last_message_key = 0;

/* The finalizer of an object that is dead at every collection: it is watched again, which needs no
 * memory. The collector cannot be set from in here: vm_tune_collector() follows when the handler has
 * ended. */
static int vm_on_collection(lua_State *L) {
  struct vm *vm = vm_of(L);
  vm->shared->collected = true;
  if (vm->shared->closing) return 0;
  lua_getmetatable(L, 1);
  lua_setmetatable(L, 1);
  return 0;
}

static void watch_collections(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, vm_on_collection);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

/* Lua makes this string when an error cannot be handled, outside of any protection (luaD_seterrorobj
 * in ldo.c): as long as it exists already, that takes no memory. */
static void keep_last_message(lua_State *L) {
  lua_pushliteral(L, "error in error handling");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_message_key);
}

/* Lua makes the type of long buffers when it needs the first one. If memory runs out in the midst of
 * that, it stays without __close and __gc: such a buffer is an error then, or leaks. */
static void make_buffer_type(lua_State *L) {
  luaL_Buffer buffer;
  luaL_buffinitsize(L, &buffer, LUAL_BUFFERSIZE + 1);
  luaL_pushresultsize(&buffer, 0);
  lua_pop(L, 1);
}

struct preparation {
  struct vm *vm;
  char *room; /* to be tried */
};

static int prepare(lua_State *L) {
  struct preparation *preparation = lua_touserdata(L, 1);
  struct vm *vm = preparation->vm;
  lua_settop(L, 0);
  keep_last_message(L);
  make_buffer_type(L);
  try_room(L, vm->shared, &preparation->room);
  vm_prepare_coroutines(L);
  if (vm->options.watchdog) vm_watchdog_attach(vm->options.watchdog, L);
  watch_collections(L);
  return 0;
}

static bool prepare_protected(struct vm *vm) {
  struct vm_blocks *blocks = &vm->shared->blocks;
  char error[1], *block = vm_block_take(blocks, ROOM_SIZE);
  if (!block) return false;
  struct preparation preparation = {.vm = vm, .room = block + ROOM_HEAD};
  bool prepared = vm_protect(vm, prepare, &preparation, error, sizeof error);
  free(preparation.room - ROOM_HEAD); /* where none is kept, there was no large piece */
  return prepared;
}

/* lua_close() frees the state itself last: nobody is to look at it from there on. */
static void *allocate_closing(void *context, void *block, size_t old_size, size_t new_size) {
  struct vm_shared *shared = context;
  if (new_size == 0 && block == lua_getextraspace(shared->L)) vm_watch_end(shared->first);
  return allocate(context, block, old_size, new_size);
}

static void vm_init(struct vm *vm, struct vm_shared *shared, const struct vm_options *options,
                    const struct vm_budget *budget) {
  *vm = (struct vm){.shared = shared, .options = *options, .budget = *budget};
}

/* Without a state yet. NULL when memory is out. */
static struct vm *new_first(const struct vm_options *options, const struct vm_budget *budget) {
  struct vm *vm = malloc(sizeof *vm);
  struct vm_shared *shared = calloc(1, sizeof *shared);
  if (!vm || !shared) {
    free(vm);
    free(shared);
    return NULL;
  }
  vm_init(vm, shared, options, budget);
  shared->first = shared->vm = vm;
  shared->memory_bytes_max = budget->memory_bytes_max;
  shared->blocks.free_bytes_max = FREE_BYTES_MAX;
  shared->blocks.keeps_small = KEEPS_SMALL;
  return vm;
}

struct vm *vm_new(const struct vm_options *options, const struct vm_budget *budget) {
  struct vm *vm = new_first(options, budget);
  if (!vm) return NULL;
  struct vm_shared *shared = vm->shared;
  lua_State *L = shared->L = lua_newstate(allocate, shared);
  if (!L) {
    vm_blocks_trim(&shared->blocks);
    free(shared);
    free(vm);
    return NULL;
  }
  lua_atpanic(L, vm_on_panic);
  lua_setwarnf(L, vm_on_warning, shared);
  /* Every coroutine starts with a copy of the main thread's extra space. */
  memcpy(lua_getextraspace(L), &shared, sizeof shared);
  if (!prepare_protected(vm)) {
    vm_free(vm);
    return NULL;
  }
  heap_warm(WORLD_BYTES);
  return vm;
}

static int attach_watchdog(lua_State *L) {
  struct vm *vm = lua_touserdata(L, 1);
  vm_watchdog_attach(vm->options.watchdog, L);
  return 0;
}

struct vm *vm_new_inside(struct vm *host, const struct vm_options *options,
                         const struct vm_budget *budget) {
  struct vm_shared *shared = host->shared;
  struct vm *vm = malloc(sizeof *vm), *before = shared->vm;
  char error[1];
  if (!vm) return NULL;
  vm_init(vm, shared, options, budget);
  if (!options->watchdog) return vm;
  shared->vm = vm;
  bool attached = vm_protect(vm, attach_watchdog, vm, error, sizeof error);
  shared->vm = before;
  if (attached) return vm;
  free(vm);
  return NULL;
}

void vm_free(struct vm *vm) {
  struct vm_shared *shared = vm->shared;
  vm_cancel_all(vm, "the script is being unloaded");
  if (vm != shared->first) {
    assert(shared->vm != vm); /* its worlds are gone */
    free(vm);
    return;
  }
  shared->closing = true;
  lua_setallocf(shared->L, allocate_closing, shared);
  vm_watch_begin(vm, shared->L);
  lua_close(shared->L);
  vm_free_tasks(shared);
  vm_blocks_trim(&shared->blocks);
  free(shared);
  free(vm);
}

void vm_set_budget(struct vm *vm, const struct vm_budget *budget) {
  vm->budget = *budget;
  if (vm == vm->shared->first) vm->shared->memory_bytes_max = budget->memory_bytes_max;
}

const struct vm_budget *vm_budget(const struct vm *vm) {
  return &vm->budget;
}

bool vm_collect_step(struct vm *vm) {
  vm_watch_begin(vm, vm->shared->L); /* it may run finalizers */
  bool ended = lua_gc(vm->shared->L, LUA_GCSTEP, COLLECT_STEP_KIB);
  vm_watch_end(vm);
  if (vm->shared->collected) vm_tune_collector(vm);
  return ended;
}

void vm_stir(struct vm *vm) {
  if (vm->options.watchdog) vm_watchdog_stir(vm->options.watchdog);
}

void vm_trim(struct vm *vm) {
  vm_blocks_trim(&vm->shared->blocks);
}

size_t vm_memory_bytes(const struct vm *vm) {
  return vm->shared->memory_bytes;
}

lua_State *vm_state(struct vm *vm) {
  return vm->shared->L;
}

const char *vm_lua_dir(lua_State *L) {
  return vm_of(L)->options.lua_dir;
}

void *vm_context(const struct vm *vm) {
  return vm->options.context;
}

const struct grants *vm_grants(const struct vm *vm) {
  return vm->options.grants;
}

const char *vm_script_directory(const struct vm *vm) {
  return vm->options.script_dir;
}

const struct home *vm_home(const struct vm *vm) {
  return vm->options.home;
}

bool vm_protect(struct vm *vm, lua_CFunction body, void *argument, char *error, size_t error_size) {
  lua_State *L = vm->shared->L;
  lua_pushcfunction(L,
                    body); /* needs no memory, and the main thread's stack is always near empty */
  lua_pushlightuserdata(L, argument);
  vm_watch_begin(vm, L); /* no script runs here, but a finalizer may */
  int rc = lua_pcall(L, 1, 0, 0);
  vm_watch_end(vm);
  if (rc == LUA_OK) return true;
  const char *message = lua_tostring(L, -1);
  assert(message); /* C code raises with words */
  snprintf(error, error_size, "%s", message);
  lua_pop(L, 1);
  return false;
}
