/* load/latency.c — a histogram of nanoseconds in constant space. Knows nothing of what is timed. */
#include "latency.h"

enum { SUB_COUNT = 1 << LATENCY_SUB_BITS };

/* Values below SUB_COUNT have a bucket each; above, the leading SUB_BITS + 1 bits choose it. */
static unsigned bucket_of(uint64_t ns) {
  if (ns < SUB_COUNT) return (unsigned)ns;
  unsigned shift = 63 - LATENCY_SUB_BITS - (unsigned)__builtin_clzll(ns);
  return ((shift + 1) << LATENCY_SUB_BITS) + (unsigned)((ns >> shift) - SUB_COUNT);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_bound(unsigned bucket) {
  if (bucket < SUB_COUNT) return bucket;
  unsigned shift = (bucket >> LATENCY_SUB_BITS) - 1;
  uint64_t lead = (bucket & (SUB_COUNT - 1)) + SUB_COUNT;
  return (lead << shift) + ((UINT64_C(1) << shift) - 1);
}

void latency_add(struct latency *latency, uint64_t ns) {
  latency->counts[bucket_of(ns)]++;
  latency->total++;
  if (ns > latency->max_ns) latency->max_ns = ns;
}

uint64_t latency_percentile(const struct latency *latency, double percent) {
  uint64_t seen = 0;
  for (unsigned bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
    seen += latency->counts[bucket];
    if (seen > 0 && (double)seen >= (double)latency->total * percent / 100) {
      uint64_t bound = bucket_bound(bucket);
      return bound < latency->max_ns ? bound : latency->max_ns;
    }
  }
  return latency->max_ns;
}
