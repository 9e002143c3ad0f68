/* base/durations.h — how long something took, as a histogram of nanoseconds — does not know what. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Half a decade each: from what an ordinary handler takes to what the watchdog tells of. */
enum { DURATION_BOUNDS = 11 };
extern const uint64_t duration_bounds_ns[DURATION_BOUNDS];

struct durations {
  uint64_t counts[DURATION_BOUNDS + 1]; /* up to each bound, and beyond the last one */
  uint64_t sum_ns;
};

static inline void durations_add(struct durations *durations, uint64_t ns) {
  size_t i = 0;
  while (i < DURATION_BOUNDS && ns > duration_bounds_ns[i]) i++;
  durations->counts[i]++;
  durations->sum_ns += ns;
}
