/* pem_fuzz.c — any bytes as the file of a certificate, its key and its authorities, for a host of any
 * name — makes no connection.
 *
 * An input is two lines, a host and a protocol of ALPN, each of which may be empty, and the file. */
#include "fuzz.h"

#include "base/utf8.h"
#include "net/tls/certificate.h"
#include "net/tls/context.h"
#include "net/tls/judge.h"
#include "net/tls/pem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 16384, LINE_BYTES_MAX = 300, ERROR_BYTES_MAX = 500, PATH_BYTES_MAX = 40 };

struct files {
  int count; /* that were read */
};

static void on_file(void *owner, const char *path, const char *bytes, size_t size, int error) {
  struct files *files = owner;
  files->count++;
  MUST(path && bytes && error == 0);
  (void)size;
}

/* The next line, without its end; false when it is too long or has a NUL, as no name has. */
static bool take_line(const uint8_t **data, size_t *size, char out[LINE_BYTES_MAX]) {
  const uint8_t *end = memchr(*data, '\n', *size);
  size_t length = end ? (size_t)(end - *data) : LINE_BYTES_MAX;
  if (length >= LINE_BYTES_MAX || memchr(*data, '\0', length)) return false;
  memcpy(out, *data, length);
  out[length] = '\0';
  *data += length + 1;
  *size -= length + 1;
  return true;
}

static void check_text(const char *text) {
  MUST(text);
  for (size_t left = strlen(text), used; left > 0; left -= used, text += used) {
    uint32_t code_point;
    used = utf8_decode(text, left, &code_point);
    MUST(used > 0 && code_point >= ' ' && code_point != 127);
  }
}

static void check_certificate(X509 *x509) {
  struct certificate certificate;
  char date[CERTIFICATE_DATE_SIZE];
  MUST(certificate_read(x509, &certificate));
  check_text(certificate.subject);
  check_text(certificate.issuer);
  check_text(certificate.serial);
  for (size_t i = 0; i < certificate.name_count; i++) check_text(certificate.names[i]);
  certificate_date(certificate.not_after, date);
  MUST(strlen(certificate.sha256) == CERTIFICATE_SHA256_SIZE - 1 && strlen(date) >= 10);
  certificate_deinit(&certificate);
}

/* Whatever is refused is refused with a reason, and nothing of it stays in the thread's queue. */
static void check_error(bool is_refused, const char *error) {
  MUST(is_refused == (error[0] != '\0'));
  MUST(ERR_peek_error() == 0);
}

static void read_parts(const char *path) {
  char error[ERROR_BYTES_MAX] = "";
  struct files files = {0};
  const struct tls_reader reader = {&files, on_file};
  const struct tls_reading reading = {&reader, error, sizeof error};
  STACK_OF(X509) *list = tls_read_certificates(&reading, path);
  check_error(list == NULL, error);
  MUST(!list || sk_X509_num(list) > 0);
  for (int i = 0; i < sk_X509_num(list); i++) check_certificate(sk_X509_value(list, i));
  sk_X509_pop_free(list, X509_free);
  error[0] = '\0';
  EVP_PKEY *key = tls_read_key(&reading, path);
  check_error(key == NULL, error);
  EVP_PKEY_free(key);
  MUST(files.count == 2);
}

static void on_sentence(void *owner, bool is_fault, const char *sentence) {
  (void)is_fault;
  MUST(strncmp(sentence, owner, strlen(owner)) == 0);
}

static void make_contexts(char *path, const char *host, const char *alpn) {
  char error[ERROR_BYTES_MAX] = "";
  const struct tls_identity identities[] = {
      {.cert = path, .key = path, .ca = path, .client = TLS_CLIENT_REQUIRE},
      {.host = host, .cert = path, .key = path},
  };
  const struct tls_settings settings = {
      .identities = identities,
      .identity_count = *host ? 2 : 1,
      .alpn = &alpn,
      .alpn_count = *alpn ? 1 : 0,
      .version_min = TLS1_2_VERSION,
      .verify = true,
  };
  const struct judge judge = {.now_s = 1800000000, .owner = path, .say = on_sentence};
  struct tls_context *server = tls_context_new_server(&settings, NULL, error, sizeof error);
  check_error(server == NULL, error);
  if (server) judge_context(&judge, server);
  tls_context_release(server);
  error[0] = '\0';
  struct tls_context *client = tls_context_new_client(&settings, error, sizeof error);
  check_error(client == NULL, error);
  tls_context_release(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char host[LINE_BYTES_MAX], alpn[LINE_BYTES_MAX], path[PATH_BYTES_MAX];
  if (size > INPUT_BYTES_MAX || !take_line(&data, &size, host) || !take_line(&data, &size, alpn))
    return -1;
  int fd = memfd_create("pem", MFD_CLOEXEC);
  MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  read_parts(path);
  make_contexts(path, host, alpn);
  (void)close(fd);
  return 0;
}
