/* vm/world.c — what one loaded script has for its own: globals, libraries, loaded modules. */
#include "vm/world.h"

#include "vm/vm_state.h"
#include "vm/watchdog.h"

#include <lauxlib.h>
#include <stdlib.h>

struct vm_world {
  struct vm *vm;
  void *owner;
  void *kept; /* see vm_world_keep(); NULL: nothing */
  void (*end_kept)(void *kept);
  size_t references;
  /* Registry references; LUA_NOREF until there is one. */
  int globals;
  int loaded;           /* package.loaded */
  int preload;          /* package.preload */
  int any_string;       /* keeps a string, to set the metatable of all of them without memory */
  int string_metatable; /* whose __index is the world's own `string` */
};

/* Needs no memory: each key is in the registry already, so it cannot raise. */
static void put_in_force(lua_State *L, const struct vm_world *world) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, world->globals);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_rawgeti(L, LUA_REGISTRYINDEX, world->loaded);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_rawgeti(L, LUA_REGISTRYINDEX, world->preload);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_rawgeti(L, LUA_REGISTRYINDEX, world->any_string);
  lua_rawgeti(L, LUA_REGISTRYINDEX, world->string_metatable);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

static void set_current(struct vm_world *world) {
  struct vm_shared *shared = world->vm->shared;
  shared->world = world;
  shared->vm = world->vm;
}

static void set_none(struct vm_shared *shared) {
  shared->world = NULL;
  shared->vm = shared->first;
}

void vm_world_enter(struct vm_world *world) {
  struct vm *vm = world->vm;
  if (vm->shared->world == world) return;
  put_in_force(vm->shared->L, world);
  set_current(world);
}

static int new_table_reference(lua_State *L) {
  lua_newtable(L);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Opening the string library gives all strings a metatable: the world's. */
static int build(lua_State *L) {
  struct vm_world *world = lua_touserdata(L, 1);
  lua_settop(L, 0);
  world->globals = new_table_reference(L);
  world->loaded = new_table_reference(L);
  world->preload = new_table_reference(L);
  world->string_metatable = new_table_reference(L);
  lua_pushliteral(L, "");
  world->any_string = luaL_ref(L, LUA_REGISTRYINDEX);
  put_in_force(L, world);
  set_current(world);
  vm_open_libraries(L);
  vm_open_coroutine(L);
  vm_open_protect(L);
  vm_open_searchers(L);
  if (world->vm->options.watchdog) vm_watchdog_learn(world->vm->options.watchdog, L);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, world->string_metatable);
  lua_settop(L, 0);
  return world->vm->options.furnish(L);
}

static void release(struct vm_world *world) {
  lua_State *L = world->vm->shared->L;
  const int references[] = {world->globals, world->loaded, world->preload, world->any_string,
                            world->string_metatable};
  for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
    luaL_unref(L, LUA_REGISTRYINDEX, references[i]);
  }
  if (world->vm->shared->world == world) set_none(world->vm->shared);
  if (world->end_kept) world->end_kept(world->kept);
  free(world);
}

struct vm_world *vm_world_new(struct vm *vm, void *owner) {
  struct vm_world *world = malloc(sizeof *world);
  if (!world) return NULL;
  *world = (struct vm_world){
      .vm = vm,
      .owner = owner,
      .references = 1,
      .globals = LUA_NOREF,
      .loaded = LUA_NOREF,
      .preload = LUA_NOREF,
      .any_string = LUA_NOREF,
      .string_metatable = LUA_NOREF,
  };
  struct vm_world *before = vm->shared->world;
  char error[1];
  if (vm_protect(vm, build, world, error, sizeof error)) return world;
  release(world);
  set_none(vm->shared);
  if (before) vm_world_enter(before);
  return NULL;
}

void vm_world_ref(struct vm_world *world) {
  world->references++;
}

void vm_world_unref(struct vm_world *world) {
  if (--world->references == 0) release(world);
}

void vm_world_disown(struct vm_world *world) {
  world->owner = NULL;
}

void vm_world_keep(struct vm_world *world, void *thing, void (*end)(void *thing)) {
  world->kept = thing;
  world->end_kept = end;
}

struct vm_world *vm_world_in_force(const struct vm *vm) {
  return vm->shared->world;
}

void *vm_world_owner(const struct vm_world *world) {
  return world->owner;
}

void vm_world_push_globals(lua_State *L, const struct vm_world *world) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, world->globals);
}
