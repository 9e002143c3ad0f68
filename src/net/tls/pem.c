/* net/tls/pem.c — certificates and keys as PEM files hold them, and in words what is wrong with one.
 *
 * Files are read whole, and only then parsed: who watches a file is told of the very bytes that count,
 * and one that is written meanwhile is seen as it was or as it became, or is refused for what it lacks. */
#include "net/tls/pem.h"

#include "base/file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Several times what all roots of a system take. */
enum { PEM_BYTES_MAX = 4 * 1024 * 1024 };

struct pem_file {
  struct pem_file *next;
  char *bytes;
  size_t size;
  char path[];
};

struct pem {
  const char *path;
  char *bytes;
  size_t size;
  bool is_kept; /* the bytes are those of a struct pem_file */
  BIO *bio;     /* reads the bytes */
};

bool tls_refuse(const struct tls_reading *reading, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reading->error, reading->error_size, format, arguments);
  va_end(arguments);
  return false;
}

const char *tls_reason(void) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason ? reason : "memory is out";
}

/* --- The file -------------------------------------------------------------------------------- */

static void refuse_file(const struct tls_reading *reading, const char *path, int error) {
  switch (error) {
    case ENOENT: tls_refuse(reading, "%s: there is no such file", path); break;
    case EACCES:
      tls_refuse(reading, "%s: cannot be read: permission denied; let user %u read it", path,
                 (unsigned)geteuid());
      break;
    case EISDIR: tls_refuse(reading, "%s: is a directory, not a PEM file", path); break;
    case ENXIO: tls_refuse(reading, "%s: is a device, pipe or socket, not a PEM file", path); break;
    case EFBIG:
      tls_refuse(reading, "%s: is larger than %d MiB: is it a PEM file?", path,
                 PEM_BYTES_MAX / (1024 * 1024));
      break;
    default: tls_refuse(reading, "%s: cannot be read: %s", path, strerror(error));
  }
}

/* Also a key's: none of them stay in memory that is free. */
static void forget_bytes(char *bytes, size_t size) {
  if (bytes) OPENSSL_cleanse(bytes, size);
  free(bytes);
}

void tls_forget_files(struct pem_file *files) {
  while (files) {
    struct pem_file *file = files;
    files = file->next;
    forget_bytes(file->bytes, file->size);
    free(file);
  }
}

/* For who reads it again. */
static bool keep_file(const struct tls_reading *reading, struct pem *pem) {
  size_t size = strlen(pem->path) + 1;
  if (!reading->files) return true;
  struct pem_file *file = malloc(sizeof *file + size);
  if (!file) return false;
  *file = (struct pem_file){*reading->files, pem->bytes, pem->size};
  memcpy(file->path, pem->path, size);
  *reading->files = file;
  return pem->is_kept = true;
}

static bool find_file(const struct tls_reading *reading, struct pem *pem) {
  const struct pem_file *file = reading->files ? *reading->files : NULL;
  while (file && strcmp(file->path, pem->path) != 0) file = file->next;
  if (!file) return false;
  pem->bytes = file->bytes;
  pem->size = file->size;
  return pem->is_kept = true;
}

static void pem_close(struct pem *pem) {
  BIO_free(pem->bio);
  if (!pem->is_kept) forget_bytes(pem->bytes, pem->size);
}

static bool read_file(const struct tls_reading *reading, const char *path, struct pem *pem) {
  const struct tls_reader *reader = reading->reader;
  int rc = 0;
  pem->bytes = file_read(path, PEM_BYTES_MAX, &pem->size, &rc);
  if (reader->on_file) {
    reader->on_file(reader->owner, path, pem->bytes, pem->size, pem->bytes ? 0 : -rc);
  }
  if (!pem->bytes) {
    refuse_file(reading, path, -rc);
    return false;
  }
  if (keep_file(reading, pem)) return true;
  pem_close(pem);
  tls_refuse(reading, "%s: memory is out", path);
  return false;
}

static bool pem_open(const struct tls_reading *reading, const char *path, struct pem *pem) {
  *pem = (struct pem){.path = path};
  if (!find_file(reading, pem) && !read_file(reading, path, pem)) return false;
  ERR_clear_error();
  pem->bio = BIO_new_mem_buf(pem->bytes, (int)pem->size);
  if (pem->bio) return true;
  pem_close(pem);
  tls_refuse(reading, "%s: %s", path, tls_reason());
  return false;
}

/* --- What is in it --------------------------------------------------------------------------- */

static bool holds(const struct pem *pem, const char *text) {
  return memmem(pem->bytes, pem->size, text, strlen(text)) != NULL;
}

/* Why there is no `wanted` ("certificate") in it. */
static bool refuse_contents(const struct tls_reading *reading, const struct pem *pem,
                            const char *wanted) {
  enum { DER_SEQUENCE = 0x30 }; /* which begins all that is not PEM: DER, PKCS #12 */
  const char *path = pem->path;
  if (pem->size == 0) return tls_refuse(reading, "%s: is empty", path);
  if (pem->bytes[0] == DER_SEQUENCE) {
    return tls_refuse(reading,
                      "%s: is not PEM; from DER: openssl x509 (of a key: pkey) -inform DER -in "
                      "FILE, from PKCS #12: openssl pkcs12 -nodes -in FILE",
                      path);
  }
  if (!holds(pem, "-----BEGIN ")) {
    return tls_refuse(reading, "%s: is not PEM: it has no line that begins with -----BEGIN", path);
  }
  if (holds(pem, "-----BEGIN CERTIFICATE REQUEST")) {
    return tls_refuse(reading,
                      "%s: there is no %s in it, but a request for a certificate, which an "
                      "authority has to sign first",
                      path, wanted);
  }
  const char *instead = holds(pem, "PRIVATE KEY-----")           ? "a private key"
                        : holds(pem, "-----BEGIN CERTIFICATE--") ? "a certificate"
                        : holds(pem, "PUBLIC KEY-----")          ? "a public key"
                                                                 : NULL;
  return tls_refuse(reading, "%s: there is no %s in it%s%s%s", path, wanted,
                    instead ? ", but " : "", instead ? instead : "",
                    instead ? ": are the two files exchanged?" : "");
}

/* Of a BEGIN whose rest is missing or wrong. */
static bool refuse_broken(const struct tls_reading *reading, const struct pem *pem,
                          const char *wanted) {
  return tls_refuse(reading, "%s: is broken: %s (%s); was it written to its end?", pem->path,
                    wanted, tls_reason());
}

static bool is_at_end(void) {
  unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static bool read_certificates(const struct tls_reading *reading, const struct pem *pem,
                              STACK_OF(X509) * certificates) {
  X509 *certificate;
  while ((certificate = PEM_read_bio_X509(pem->bio, NULL, NULL, NULL)) != NULL) {
    if (sk_X509_push(certificates, certificate) > 0) continue;
    X509_free(certificate);
    return tls_refuse(reading, "%s: memory is out", pem->path);
  }
  int count = sk_X509_num(certificates);
  if (!is_at_end()) {
    char which[48];
    snprintf(which, sizeof which, "certificate %d in it", count + 1);
    return refuse_broken(reading, pem, which);
  }
  ERR_clear_error();
  return count > 0 || refuse_contents(reading, pem, "certificate");
}

STACK_OF(X509) * tls_read_certificates(const struct tls_reading *reading, const char *path) {
  struct pem pem;
  if (!pem_open(reading, path, &pem)) return NULL;
  STACK_OF(X509) *certificates = sk_X509_new_null();
  if (!certificates) tls_refuse(reading, "%s: memory is out", path);
  if (certificates && !read_certificates(reading, &pem, certificates)) {
    sk_X509_pop_free(certificates, X509_free);
    certificates = NULL;
  }
  pem_close(&pem);
  return certificates;
}

/* Nobody is there to type one: without this, OpenSSL would ask the terminal. */
static int refuse_passphrase(char *out, int size, int writes, void *asked) {
  (void)out, (void)size, (void)writes;
  *(bool *)asked = true;
  return -1;
}

static EVP_PKEY *read_key(const struct tls_reading *reading, const struct pem *pem) {
  bool asked = false;
  if (!holds(pem, "PRIVATE KEY-----")) { /* OpenSSL looks at length, with each of its decoders */
    refuse_contents(reading, pem, "private key");
    return NULL;
  }
  EVP_PKEY *key = PEM_read_bio_PrivateKey(pem->bio, NULL, refuse_passphrase, &asked);
  if (key) return key;
  if (asked) {
    tls_refuse(reading,
               "%s: the key is encrypted, and nobody is here to type its passphrase; write it "
               "without: openssl pkey -in %s -out PLAIN.pem",
               pem->path, pem->path);
  } else {
    refuse_broken(reading, pem, "the private key");
  }
  ERR_clear_error();
  return NULL;
}

EVP_PKEY *tls_read_key(const struct tls_reading *reading, const char *path) {
  struct pem pem;
  if (!pem_open(reading, path, &pem)) return NULL;
  EVP_PKEY *key = read_key(reading, &pem);
  pem_close(&pem);
  return key;
}
