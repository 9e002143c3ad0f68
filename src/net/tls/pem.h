/* net/tls/pem.h — certificates and keys as PEM files hold them, and in words what is wrong with one.
 * Knows no context. */
#pragma once

#include "net/tls/context.h"

#include <openssl/x509.h>

struct pem_file;

/* Who follows the files that are read, and where it is said what is wrong with one. */
struct tls_reading {
  const struct tls_reader *reader;
  char *error;
  size_t error_size;       /* bytes */
  struct pem_file **files; /* that were read: each is read once, and then is the same; or NULL */
};

/* Says it, and is false. */
bool tls_refuse(const struct tls_reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What OpenSSL said last, in its own few words; empties its queue. Static text. */
const char *tls_reason(void);

/* Of tls_reading.files: they are forgotten, and their bytes with them. */
void tls_forget_files(struct pem_file *files);

/* Those of a file, in its order: at least one. The caller frees them. NULL: it was said why. */
STACK_OF(X509) * tls_read_certificates(const struct tls_reading *reading, const char *path);
/* The first one of a file. The caller frees it. NULL: it was said why. */
EVP_PKEY *tls_read_key(const struct tls_reading *reading, const char *path);
