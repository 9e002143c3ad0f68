/* base/durations.c — how long something took, as a histogram of nanoseconds — does not know what. */
#include "base/durations.h"

const uint64_t duration_bounds_ns[DURATION_BOUNDS] = {10000,     30000,     100000,    300000,
                                                      1000000,   3000000,   10000000,  30000000,
                                                      100000000, 300000000, 1000000000};
