/* failing.c — the allocator that fails when it is told to, by the linker's hand (--wrap). */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static bool is_inside;
static uint32_t until_first; /* how many succeed before */
static uint32_t left;        /* how many are still to fail; 0: none is */
static bool has_failed;

static bool fails(void) {
  if (!is_inside || left == 0) return false;
  if (until_first > 0) {
    until_first--;
    return false;
  }
  left--;
  has_failed = true;
  return true;
}

#include "../torture/wrap.h"

/* What shrinks never fails (lua_Alloc): without a block's size, only what is new does. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
  return !block && fails() ? NULL : __real_realloc(block, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

void failing_start(uint32_t first, uint32_t count) {
  until_first = first;
  left = count;
  has_failed = false;
}

void failing_stop(void) {
  left = 0;
}

bool failing_began(void) {
  return has_failed;
}

void failing_enter(void) {
  is_inside = true;
}

void failing_leave(void) {
  is_inside = false;
}
