/* plan.h — which allocation or system call fails next; a file that the test writes and the program
 * maps, so that one process can be made to fail many times — knows no test. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* plan.lua writes it as "<I8I8I8I8 i8 c16": both change together. */
struct plan_part {
  _Atomic uint64_t seen;   /* counted from 1 since the test set this to 0 */
  _Atomic uint64_t first;  /* the first that fails; 0: none */
  _Atomic uint64_t last;   /* the last */
  _Atomic uint64_t failed; /* how many did */
  _Atomic int64_t error;   /* an errno; 0: shortened to one byte instead */
  char name[16];           /* of the call; "" is any that can be shortened */
};

struct plan {
  struct plan_part allocations;
  struct plan_part calls;
};

/* NULL without MOONPORT_TORTURE_PLAN, and before main(). */
extern struct plan *plan;

/* Counts, and says whether this one fails. */
static inline bool plan_hits(struct plan_part *part) {
  uint64_t number = atomic_fetch_add(&part->seen, 1) + 1;
  uint64_t first = atomic_load(&part->first);
  if (first == 0 || number < first || number > atomic_load(&part->last)) return false;
  atomic_fetch_add(&part->failed, 1);
  return true;
}
