/* net/tls/hash.c — digests and what is signed with a secret, by OpenSSL. */
#include "net/tls/hash.h"

#include "net/tls/lazy.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

const char *const hash_names[HASH_COUNT] = {"sha1", "sha256", "sha512"};

static const EVP_MD *kind_of(enum hash hash) {
  if (hash == HASH_SHA1) return EVP_sha1();
  return hash == HASH_SHA256 ? EVP_sha256() : EVP_sha512();
}

static size_t finish(bool ok, unsigned size, char *error, size_t error_size) {
  if (!ok) snprintf(error, error_size, "not enough memory");
  return ok ? size : 0;
}

size_t hash_of(enum hash hash, const void *bytes, size_t size, unsigned char out[HASH_BYTES_MAX],
               char *error, size_t error_size) {
  unsigned out_size = 0;
  if (!tls_lazy_open(error, error_size)) return 0;
  bool ok = EVP_Digest(bytes, size, out, &out_size, kind_of(hash), NULL) == 1;
  return finish(ok, out_size, error, error_size);
}

size_t hash_with_key(enum hash hash, struct hash_key key, const void *bytes, size_t size,
                     unsigned char out[HASH_BYTES_MAX], char *error, size_t error_size) {
  unsigned out_size = 0;
  if (!tls_lazy_open(error, error_size)) return 0;
  bool ok = key.size <= INT_MAX &&
            HMAC(kind_of(hash), key.bytes, (int)key.size, bytes, size, out, &out_size) != NULL;
  return finish(ok, out_size, error, error_size);
}
