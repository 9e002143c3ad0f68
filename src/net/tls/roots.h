/* net/tls/roots.h — the authorities that this system trusts. Knows no connection. */
#pragma once

#include <stddef.h>

struct x509_store_st;

/* Reads them, of SSL_CERT_FILE or SSL_CERT_DIR, or where systems keep them: takes 20 ms and a
 * megabyte, so it is done once in a process, and may be done by any thread. NULL with a sentence in
 * `error`. Each context has its own hold on it. */
struct x509_store_st *tls_roots_load(char *error, size_t error_size);
void tls_roots_free(struct x509_store_st *roots); /* NULL is fine */
