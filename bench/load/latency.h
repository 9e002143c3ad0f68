/* load/latency.h — a histogram of nanoseconds in constant space. Knows nothing of what is timed. */
#pragma once

#include <stdint.h>

/* Each power of two is cut into 32 buckets, so a percentile is right within 1/32 of its value. */
enum { LATENCY_SUB_BITS = 5, LATENCY_BUCKETS = (64 - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS };

struct latency {
  uint64_t counts[LATENCY_BUCKETS];
  uint64_t total; /* values recorded */
  uint64_t max_ns;
};

void latency_add(struct latency *latency, uint64_t ns);

/* The smallest bucket bound that `percent` of the values do not exceed, in ns; 0 without values. */
uint64_t latency_percentile(const struct latency *latency, double percent);
