/* failing.h — the n-th allocation fails, in a unit test that is linked with --wrap (CMakeLists.txt): of all
 * that is linked statically. For one file of a program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

static long allocations; /* counted while one is to fail */
static long fail_first;  /* 0: none fails */
static long fail_last;
static bool fail_paused; /* what is allocated now neither fails nor counts */

static bool fails(void) {
  if (fail_first == 0 || fail_paused) return false;
  allocations++;
  return allocations >= fail_first && allocations <= fail_last;
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

static void fail(long first, long last) {
  allocations = 0;
  fail_first = first;
  fail_last = last;
}

/* How many allocations there were since fail(). */
static long relent(void) {
  fail_first = 0;
  return allocations;
}

enum { NEVER = 1 << 30 };
