/* base/digest.h — tells whether bytes are the same as before — no protection against forgery. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FNV-1a in 64 bits, http://www.isthe.com/chongo/tech/comp/fnv/, and the number of bytes. Two
 * contents of one file that it takes for the same are not met by accident. */
struct digest {
  uint64_t hash;
  uint64_t size; /* bytes */
};

static inline struct digest digest_empty(void) {
  return (struct digest){.hash = UINT64_C(0xcbf29ce484222325)};
}

static inline void digest_add(struct digest *digest, const void *bytes, size_t size) {
  const unsigned char *byte = bytes;
  uint64_t hash = digest->hash;
  for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
  digest->hash = hash;
  digest->size += size;
}

static inline bool digest_equal(struct digest a, struct digest b) {
  return a.hash == b.hash && a.size == b.size;
}
