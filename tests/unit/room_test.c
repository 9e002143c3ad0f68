/* room_test.c — what was read becomes a Lua string where it is, and another room takes its place. */
#include "check.h"

#include "vm/vm_state.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { MEMORY_MAX = 1024 * 1024, SHORT = 1000 };

static char *room;

static char *new_room(void) {
  char *block = malloc(ROOM_SIZE);
  if (!block) abort();
  return block + ROOM_HEAD;
}

static struct vm *new_vm(void) {
  const struct vm_options options = {0};
  const struct vm_budget budget = {.memory_bytes_max = MEMORY_MAX};
  struct vm *vm = vm_new(&options, &budget);
  if (!vm) abort();
  CHECK(vm->shared->takes_rooms);
  return vm;
}

static int push(lua_State *L) {
  const size_t *size = lua_touserdata(L, 1);
  vm_push_read(L, &room, *size);
  return 1;
}

/* Fills the room, and keeps the string of it as a global. */
static bool read_into(lua_State *L, const char *name, char letter, size_t size) {
  memset(room, letter, size);
  lua_pushcfunction(L, push);
  lua_pushlightuserdata(L, &size);
  bool pushed = lua_pcall(L, 1, 1, 0) == LUA_OK;
  if (pushed) lua_setglobal(L, name);
  if (!pushed) lua_pop(L, 1);
  return pushed;
}

static void check_kept(lua_State *L, const char *name, char letter, size_t size) {
  size_t length;
  lua_getglobal(L, name);
  const char *text = lua_tolstring(L, -1, &length);
  CHECK_NUMBER(length, size);
  CHECK(text && text[0] == letter && text[length - 1] == letter && text[length] == '\0');
  lua_pop(L, 1);
}

static void is_a_string_where_it_is(void) {
  struct vm *vm = new_vm();
  lua_State *L = vm_state(vm);
  char *first = room = new_room();
  lua_gc(L, LUA_GCCOLLECT); /* or it would take away from what is counted */
  size_t before = vm_memory_bytes(vm);
  CHECK(read_into(L, "a", 'a', ROOM_BYTES));
  CHECK(room != first);
  lua_getglobal(L, "a");
  CHECK(lua_tostring(L, -1) == first);
  lua_pop(L, 1);
  CHECK(vm_memory_bytes(vm) - before >= ROOM_BYTES);
  CHECK(vm_memory_bytes(vm) - before < ROOM_BYTES + 1024);
  CHECK(read_into(L, "b", 'b', BLOCK_ROOM_MIN));
  char *third = room;
  CHECK(read_into(L, "c", 'c', SHORT));
  CHECK(room == third); /* it was copied */
  check_kept(L, "a", 'a', ROOM_BYTES);
  check_kept(L, "b", 'b', BLOCK_ROOM_MIN);
  check_kept(L, "c", 'c', SHORT);
  vm_free(vm);
  free(room - ROOM_HEAD);
}

static void is_read_into_again_when_the_string_is_garbage(void) {
  struct vm *vm = new_vm();
  lua_State *L = vm_state(vm);
  char *first = room = new_room();
  CHECK(read_into(L, "a", 'a', ROOM_BYTES));
  lua_pushnil(L);
  lua_setglobal(L, "a");
  lua_gc(L, LUA_GCCOLLECT);
  CHECK(read_into(L, "b", 'b', ROOM_BYTES));
  CHECK(room == first);
  vm_free(vm);
  free(room - ROOM_HEAD);
}

/* The one that does not fit raises, and its room is still the reader's. */
static void counts_for_the_limit(void) {
  struct vm *vm = new_vm();
  lua_State *L = vm_state(vm);
  char name[] = "a";
  room = new_room();
  for (; name[0] <= 'z' && read_into(L, name, name[0], ROOM_BYTES); name[0]++) continue;
  CHECK(name[0] > 'a' + 10 && name[0] < 'a' + MEMORY_MAX / ROOM_BYTES);
  CHECK(vm_memory_bytes(vm) <= MEMORY_MAX);
  memset(room, '.', ROOM_BYTES);
  for (char letter = 'a'; letter < name[0]; letter++) {
    check_kept(L, (char[]){letter, 0}, letter, ROOM_BYTES);
  }
  vm_free(vm);
  free(room - ROOM_HEAD);
}

static const struct check_case cases[] = {
    {"what was read becomes a string where it is, unless it is short", is_a_string_where_it_is},
    {"what was a string is read into again", is_read_into_again_when_the_string_is_garbage},
    {"strings of rooms count for the limit, and one beyond it takes no room", counts_for_the_limit},
};

CHECK_MAIN(cases)
