/* load/pattern.c — the bytes that are sent and expected back. Knows nothing of sockets. */
#include "pattern.h"

#include <assert.h>
#include <string.h>

enum { ID_STRIDE = 7919 }; /* bytes between the beginnings of two connections' streams */

void pattern_init(struct pattern *pattern) {
  uint64_t state = 0x9e3779b97f4a7c15u; /* xorshift64 needs any seed but 0 */
  for (size_t i = 0; i < PATTERN_PERIOD; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    pattern->bytes[i] = (unsigned char)(state >> 32);
  }
  /* The period again and again behind itself, so that a slice never has to wrap around. */
  for (size_t i = PATTERN_PERIOD; i < sizeof pattern->bytes; i++)
    pattern->bytes[i] = pattern->bytes[i - PATTERN_PERIOD];
}

const unsigned char *pattern_at(const struct pattern *pattern, uint64_t id, uint64_t position) {
  return &pattern->bytes[(id * ID_STRIDE + position) % PATTERN_PERIOD];
}

size_t pattern_compare(const struct pattern *pattern, uint64_t id, uint64_t position,
                       const unsigned char *bytes, size_t size) {
  assert(size <= PATTERN_SLICE_MAX);
  const unsigned char *expected = pattern_at(pattern, id, position);
  if (memcmp(bytes, expected, size) == 0) return size;
  size_t i = 0;
  while (bytes[i] == expected[i]) i++;
  return i;
}
