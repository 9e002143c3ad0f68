/* net/tls/certificate.c — what a certificate says, as text and numbers. Judges nothing. */
#include "net/tls/certificate.h"

#include "base/percent.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAMES_MAX = 1000 }; /* a certificate with more is somebody's joke */

static void write_hex(const unsigned char *bytes, size_t size, char *out) {
  hex_encode((const char *)bytes, size, out);
  out[2 * size] = 0;
}

/* RFC 4514, with other than ASCII as it is. */
static char *read_name(const X509_NAME *name) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *bytes = NULL, *text = NULL;
  const unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
  if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
    long size = BIO_get_mem_data(bio, &bytes);
    text = strndup(size > 0 ? bytes : "", size > 0 ? (size_t)size : 0);
  }
  BIO_free(bio);
  return text;
}

static char *read_serial(const X509 *x509) {
  const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
  size_t size = (size_t)ASN1_STRING_length(serial);
  char *text = malloc(2 * size + 1);
  if (text) write_hex(ASN1_STRING_get0_data(serial), size, text);
  return text;
}

static int64_t read_time(const ASN1_TIME *time) {
  struct tm parts;
  return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

/* One that holds other than visible ASCII, a NUL above all, is no name: who compares it up to there
 * would take it for another. */
static char *copy_visible(const ASN1_STRING *string) {
  const unsigned char *bytes = ASN1_STRING_get0_data(string);
  int size = ASN1_STRING_length(string);
  for (int i = 0; i < size; i++) {
    if (bytes[i] <= ' ' || bytes[i] > '~') return NULL;
  }
  return strndup((const char *)bytes, (size_t)size);
}

static char *copy_ip(const ASN1_STRING *string) {
  char text[INET6_ADDRSTRLEN];
  int size = ASN1_STRING_length(string);
  int family = size == sizeof(struct in_addr) ? AF_INET : AF_INET6;
  if (family == AF_INET6 && size != sizeof(struct in6_addr)) return NULL;
  return inet_ntop(family, ASN1_STRING_get0_data(string), text, sizeof text) ? strdup(text) : NULL;
}

static char *copy_general_name(const GENERAL_NAME *name) {
  int type = 0;
  const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
  switch (type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI: return copy_visible(value);
    case GEN_IPADD: return copy_ip(value);
    default: return NULL;
  }
}

static bool read_names(const X509 *x509, struct certificate *out) {
  GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
  int count = names ? sk_GENERAL_NAME_num(names) : 0;
  if (count > NAMES_MAX) count = NAMES_MAX;
  out->names = calloc((size_t)count + 1, sizeof *out->names);
  for (int i = 0; out->names && i < count; i++) {
    char *name = copy_general_name(sk_GENERAL_NAME_value(names, i));
    if (name) out->names[out->name_count++] = name;
  }
  GENERAL_NAMES_free(names);
  return out->names != NULL;
}

static bool read_sha256(const X509 *x509, struct certificate *out) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(x509, EVP_sha256(), digest, &size) != 1) return false;
  write_hex(digest, size, out->sha256);
  return true;
}

bool certificate_read(struct x509_st *x509, struct certificate *out) {
  *out = (struct certificate){
      .subject = read_name(X509_get_subject_name(x509)),
      .issuer = read_name(X509_get_issuer_name(x509)),
      .serial = read_serial(x509),
      .not_before = read_time(X509_get0_notBefore(x509)),
      .not_after = read_time(X509_get0_notAfter(x509)),
  };
  bool fits =
      out->subject && out->issuer && out->serial && read_names(x509, out) && read_sha256(x509, out);
  ERR_clear_error(); /* an extension that cannot be read is none */
  if (!fits) certificate_deinit(out);
  return fits;
}

void certificate_deinit(struct certificate *certificate) {
  for (size_t i = 0; i < certificate->name_count; i++) free(certificate->names[i]);
  free(certificate->names);
  free(certificate->serial);
  free(certificate->issuer);
  free(certificate->subject);
  *certificate = (struct certificate){0};
}

void certificate_date(int64_t seconds, char out[CERTIFICATE_DATE_SIZE]) {
  const time_t time = (time_t)seconds;
  struct tm parts;
  if (!gmtime_r(&time, &parts) || strftime(out, CERTIFICATE_DATE_SIZE, "%Y-%m-%d", &parts) == 0) {
    snprintf(out, CERTIFICATE_DATE_SIZE, "?");
  }
}
