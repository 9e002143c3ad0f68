/* net/tls/words.h — why TLS failed, in words. Knows OpenSSL, and no connection. */
#pragma once

#include <stddef.h>

struct ssl_st;

/* What the thread's queue says of the call that has just failed; empties it. */
void tls_words(const struct ssl_st *ssl, char *out, size_t size);
/* Of bytes that came first, and are no TLS. */
void tls_words_of_plaintext(const char *bytes, size_t size, char *out, size_t out_size);
