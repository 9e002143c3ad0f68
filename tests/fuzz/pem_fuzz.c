/* pem_fuzz.c — any bytes as the file of a certificate, of its key and of whom to trust.
 *
 * What must be: they are read, or it is said in a sentence why not; what was read can be told of and judged;
 * and OpenSSL's queue, which others share, is left empty. */
#include "fuzz.h"

#include "net/tls/certificate.h"
#include "net/tls/context.h"
#include "net/tls/judge.h"
#include "net/tls/pem.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 16384, ERROR_BYTES = 512 };

/* A file without a name, for paths to lead to. */
static const char *put_file(const uint8_t *data, size_t size) {
  static char path[64];
  static int fd = -1;
  if (fd < 0) fd = memfd_create("pem", MFD_CLOEXEC);
  MUST(fd >= 0 && ftruncate(fd, 0) == 0);
  MUST(pwrite(fd, data, size, 0) == (ssize_t)size);
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}

static void check_text(const char *text) {
  MUST(text != NULL);
  for (; *text; text++) MUST((unsigned char)*text >= ' ');
}

static void check_facts(X509 *x509) {
  struct certificate facts;
  char date[CERTIFICATE_DATE_SIZE];
  MUST(certificate_read(x509, &facts));
  check_text(facts.subject);
  check_text(facts.issuer);
  check_text(facts.serial);
  for (size_t i = 0; i < facts.name_count; i++) check_text(facts.names[i]);
  MUST(strlen(facts.sha256) == CERTIFICATE_SHA256_SIZE - 1);
  certificate_date(facts.not_after, date);
  certificate_deinit(&facts);
}

static void on_sentence(void *owner, bool is_fault, const char *sentence) {
  (void)owner, (void)is_fault;
  check_text(sentence);
}

static void check_context(const char *path) {
  char error[ERROR_BYTES] = "";
  const struct tls_identity identity = {
      .cert = path, .key = path, .ca = path, .client = TLS_CLIENT_REQUEST};
  const struct tls_settings settings = {
      .identities = &identity, .identity_count = 1, .version_min = 0x0303};
  const struct judge judge = {.now_s = 1800000000, .say = on_sentence};
  struct tls_context *context = tls_context_new_server(&settings, NULL, error, sizeof error);
  MUST((context == NULL) == (*error != '\0'));
  if (context) judge_context(&judge, context);
  tls_context_release(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct tls_reader nobody;
  char error[ERROR_BYTES] = "";
  const struct tls_reading reading = {&nobody, error, sizeof error, NULL};
  if (size > INPUT_BYTES_MAX) return -1;
  const char *path = put_file(data, size);
  STACK_OF(X509) *certificates = tls_read_certificates(&reading, path);
  MUST((certificates == NULL) == (*error != '\0'));
  for (int i = 0; i < sk_X509_num(certificates); i++) check_facts(sk_X509_value(certificates, i));
  MUST(ERR_peek_error() == 0);
  *error = '\0';
  EVP_PKEY *key = tls_read_key(&reading, path);
  MUST((key == NULL) == (*error != '\0'));
  MUST(ERR_peek_error() == 0);
  if (certificates && key) check_context(path);
  MUST(ERR_peek_error() == 0);
  sk_X509_pop_free(certificates, X509_free);
  EVP_PKEY_free(key);
  return 0;
}
