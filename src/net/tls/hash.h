/* net/tls/hash.h — digests and what is signed with a secret, by OpenSSL. Knows no connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { HASH_BYTES_MAX = 64 };

enum hash { HASH_SHA1, HASH_SHA256, HASH_SHA512, HASH_COUNT };
/* "sha256" */
extern const char *const hash_names[HASH_COUNT];

/* How many bytes are in `out`; 0 with a sentence in `error` when OpenSSL is not there, or has no memory. */
size_t hash_of(enum hash hash, const void *bytes, size_t size, unsigned char out[HASH_BYTES_MAX],
               char *error, size_t error_size);
/* HMAC, RFC 2104, in the same way. */
struct hash_key {
  const void *bytes;
  size_t size;
};
size_t hash_with_key(enum hash hash, struct hash_key key, const void *bytes, size_t size,
                     unsigned char out[HASH_BYTES_MAX], char *error, size_t error_size);
