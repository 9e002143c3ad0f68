/* net/tls/issue.c — makes keys and certificates for trying things. Names no file.
 *
 * RFC 5280, with no more in them than what clients ask for. */
#include "net/tls/issue.h"

#include "base/ip.h"
#include "net/tls/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { SERIAL_BYTES = 16, SUBJECT_BYTES_MAX = 64 }; /* RFC 5280: ub-common-name */

/* One extension in OpenSSL's words; `value` may speak of the subject and its issuer. */
static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  bool fits = extension && X509_add_ext(x509, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return fits;
}

static GENERAL_NAME *name_new(const char *text) {
  struct ip ip;
  int ip_size = ip_parse(text, strlen(text), &ip) ? (int)ip.size : 0;
  GENERAL_NAME *name = GENERAL_NAME_new();
  ASN1_STRING *value = ip_size ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
  const void *bytes = ip_size ? (const void *)ip.bytes : text;
  if (name && value && ASN1_STRING_set(value, bytes, ip_size ? ip_size : -1) == 1) {
    GENERAL_NAME_set0_value(name, ip_size ? GEN_IPADD : GEN_DNS, value);
    return name;
  }
  GENERAL_NAME_free(name);
  ASN1_STRING_free(value);
  return NULL;
}

static bool add_names(X509 *x509, const struct issue_order *order) {
  GENERAL_NAMES *names = GENERAL_NAMES_new();
  bool fits = names != NULL;
  for (size_t i = 0; fits && i < order->name_count; i++) {
    GENERAL_NAME *name = name_new(order->names[i]);
    fits = name && sk_GENERAL_NAME_push(names, name) > 0;
    if (!fits) GENERAL_NAME_free(name);
  }
  fits = fits && X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1;
  GENERAL_NAMES_free(names);
  return fits;
}

/* A random one: two authorities of one name would else sign the same. */
static bool set_serial(X509 *x509) {
  unsigned char bytes[SERIAL_BYTES];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always as long */
  return ASN1_STRING_set(X509_get_serialNumber(x509), bytes, sizeof bytes) == 1;
}

static bool set_subject(X509 *x509, const char *text) {
  X509_NAME *name = X509_get_subject_name(x509);
  int size = (int)strnlen(text, SUBJECT_BYTES_MAX);
  const unsigned char *bytes = (const unsigned char *)text;
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, bytes, size, -1, 0) == 1;
}

static bool set_basics(X509 *x509, const struct issue_order *order, EVP_PKEY *key, X509 *issuer) {
  return X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
         set_subject(x509, order->names[0]) &&
         X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)order->not_before) &&
         ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)order->not_after) &&
         X509_set_pubkey(x509, key) == 1;
}

/* The subject's key before the issuer's: of one that signs itself they are the same. */
static bool add_leaf_extensions(X509 *x509, X509 *issuer, const struct issue_order *order) {
  return add_extension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
         add_extension(x509, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
         add_extension(x509, issuer, NID_subject_key_identifier, "hash") &&
         add_extension(x509, issuer, NID_authority_key_identifier, "keyid") &&
         add_names(x509, order);
}

static bool add_authority_extensions(X509 *x509, X509 *issuer, const struct issue_order *order) {
  (void)order;
  return add_extension(x509, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         add_extension(x509, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         add_extension(x509, issuer, NID_subject_key_identifier, "hash");
}

typedef bool (*add_extensions)(X509 *x509, X509 *issuer, const struct issue_order *order);

static int issue(const struct issue_order *order, add_extensions add, struct issued *out,
                 const char **reason) {
  ERR_clear_error();
  *out = (struct issued){X509_new(), EVP_EC_gen("P-256")};
  const struct issued *signer = order->authority ? order->authority : out;
  if (out->certificate && out->key &&
      set_basics(out->certificate, order, out->key, signer->certificate) &&
      add(out->certificate, signer->certificate, order) &&
      X509_sign(out->certificate, signer->key, EVP_sha256()) > 0)
    return 0;
  *reason = tls_reason();
  issued_deinit(out);
  return -1;
}

int issue_leaf(const struct issue_order *order, struct issued *out, const char **reason) {
  return issue(order, add_leaf_extensions, out, reason);
}

int issue_authority(const struct issue_order *order, struct issued *out, const char **reason) {
  return issue(order, add_authority_extensions, out, reason);
}

int issued_write_certificate(const struct issued *issued, FILE *file) {
  errno = 0;
  return PEM_write_X509(file, issued->certificate) == 1 ? 0 : -1;
}

int issued_write_key(const struct issued *issued, FILE *file) {
  errno = 0;
  return PEM_write_PKCS8PrivateKey(file, issued->key, NULL, NULL, 0, NULL, NULL) == 1 ? 0 : -1;
}

bool issued_read(const char *cert, const char *key, struct issued *out, char *error,
                 size_t error_size) {
  static const struct tls_reader nobody;
  const struct tls_reading reading = {&nobody, error, error_size, NULL};
  STACK_OF(X509) *certificates = tls_read_certificates(&reading, cert);
  EVP_PKEY *pkey = certificates ? tls_read_key(&reading, key) : NULL;
  *out = (struct issued){pkey ? sk_X509_shift(certificates) : NULL, pkey};
  sk_X509_pop_free(certificates, X509_free);
  if (!pkey) return false;
  if (X509_check_private_key(out->certificate, pkey) == 1) return true;
  ERR_clear_error();
  issued_deinit(out);
  return tls_refuse(&reading, "%s: this key is not that of the certificate in %s", key, cert);
}

void issued_deinit(struct issued *issued) {
  X509_free(issued->certificate);
  EVP_PKEY_free(issued->key);
  *issued = (struct issued){0};
}
