/* vm/descriptors.c — at the limit of descriptors: what a script can use no more gives its own back. Knows
 * none of those. */
#include "vm/vm.h"
#include "vm/vm_state.h"

#include <errno.h>

bool vm_free_descriptors(lua_State *L, int error) {
  struct vm *vm = vm_of(L);
  if (error != EMFILE && error != ENFILE) return false;
  vm->is_freeing_descriptors = true;
  lua_gc(L, LUA_GCCOLLECT);
  vm->is_freeing_descriptors = false;
  return true;
}

bool vm_is_freeing_descriptors(const struct vm *vm) {
  return vm->is_freeing_descriptors;
}
