/* load/pattern.c — the bytes that are sent and expected back. Knows nothing of sockets. */
#include "pattern.h"

#include <assert.h>
#include <string.h>

enum { ID_STRIDE = 7919, PRINTABLE_FIRST = '!', PRINTABLE_COUNT = '~' - '!' + 1 };

static unsigned char line_byte(uint64_t random, size_t index, size_t line_bytes) {
  if (index % line_bytes == line_bytes - 1) return '\n';
  return (unsigned char)(PRINTABLE_FIRST + random % PRINTABLE_COUNT);
}

void pattern_init(struct pattern *pattern, size_t line_bytes) {
  assert(line_bytes <= PATTERN_LINE_MAX);
  size_t unit = line_bytes > 0 ? line_bytes : 1;
  uint64_t state = 0x9e3779b97f4a7c15u; /* xorshift64 needs any seed but 0 */
  pattern->period = PATTERN_PERIOD / unit * unit;
  pattern->stride = (ID_STRIDE + unit - 1) / unit * unit;
  for (size_t i = 0; i < pattern->period; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    uint64_t random = state >> 32;
    pattern->bytes[i] = line_bytes > 0 ? line_byte(random, i, line_bytes) : (unsigned char)random;
  }
  /* The period again and again behind itself, so that a slice never has to wrap around. */
  for (size_t i = pattern->period; i < sizeof pattern->bytes; i++)
    pattern->bytes[i] = pattern->bytes[i - pattern->period];
}

const unsigned char *pattern_at(const struct pattern *pattern, uint64_t id, uint64_t position) {
  return &pattern->bytes[(id * pattern->stride + position) % pattern->period];
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
