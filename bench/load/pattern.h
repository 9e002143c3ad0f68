/* load/pattern.h — the bytes that are sent and expected back. Knows nothing of sockets.
 *
 * Byte P of a connection's stream depends on P and on the connection, so that a byte lost, doubled,
 * swapped or delivered to the wrong connection shows up at the place where it happened. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
  PATTERN_PERIOD = 65521,         /* a prime: no message size divides it, so no swap lines up */
  PATTERN_LINE_MAX = 4096,        /* bytes of a line: a period is to have several different ones */
  PATTERN_SLICE_MAX = 256 * 1024, /* how many bytes may be read from one pattern_at() */
};

struct pattern {
  size_t period; /* of bytes: PATTERN_PERIOD, or as many whole lines as that holds */
  size_t stride; /* bytes between the beginnings of two connections' streams */
  unsigned char bytes[PATTERN_PERIOD + PATTERN_SLICE_MAX];
};

/* Any bytes at all when `line_bytes` is 0; otherwise printable ones in lines of that size, the LF at
 * the end of each included. */
void pattern_init(struct pattern *pattern, size_t line_bytes);

/* PATTERN_SLICE_MAX readable bytes: those from `position` on, of the stream of connection `id`. */
const unsigned char *pattern_at(const struct pattern *pattern, uint64_t id, uint64_t position);

/* The first index at which `bytes` differ from the stream, or `size` when all are right. */
size_t pattern_compare(const struct pattern *pattern, uint64_t id, uint64_t position,
                       const unsigned char *bytes, size_t size);
