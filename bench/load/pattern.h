/* load/pattern.h — the bytes that are sent and expected back. Knows nothing of sockets.
 *
 * Byte P of a connection's stream depends on P and on the connection, so that a byte lost, doubled,
 * swapped or delivered to the wrong connection shows up at the place where it happened. */
#ifndef BENCH_LOAD_PATTERN_H
#define BENCH_LOAD_PATTERN_H

#include <stddef.h>
#include <stdint.h>

enum {
  PATTERN_PERIOD = 65521,         /* a prime: no message size divides it, so no swap lines up */
  PATTERN_SLICE_MAX = 256 * 1024, /* how many bytes may be read from one pattern_at() */
};

struct pattern {
  unsigned char bytes[PATTERN_PERIOD + PATTERN_SLICE_MAX];
};

void pattern_init(struct pattern *pattern);

/* PATTERN_SLICE_MAX readable bytes: those from `position` on, of the stream of connection `id`. */
const unsigned char *pattern_at(const struct pattern *pattern, uint64_t id, uint64_t position);

/* The first index at which `bytes` differ from the stream, or `size` when all are right. */
size_t pattern_compare(const struct pattern *pattern, uint64_t id, uint64_t position,
                       const unsigned char *bytes, size_t size);

#endif
