/* net/tls/certificate.h — what a certificate says, as text and numbers. Judges nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct x509_st;

enum { CERTIFICATE_SHA256_SIZE = 65 }; /* in hexadecimal, with a NUL */

/* All texts are UTF-8, without control characters. */
struct certificate {
  char *subject; /* "CN=b.example,O=Example", as RFC 4514 writes it; mostly for people */
  char *issuer;  /* the same */
  char *serial;  /* in lower-case hexadecimal, as `sha256` */
  char **names;  /* whom it is for: DNS names, IP addresses, e-mail addresses, URIs, in its order */
  size_t name_count;
  int64_t not_before; /* seconds since 1970 */
  int64_t not_after;
  char sha256[CERTIFICATE_SHA256_SIZE]; /* of the whole certificate: its fingerprint */
};

/* False, and *out is empty, when memory is out. */
bool certificate_read(struct x509_st *x509, struct certificate *out);
void certificate_deinit(struct certificate *certificate); /* also an empty one */
/* "2026-11-29", of seconds since 1970. */
enum { CERTIFICATE_DATE_SIZE = 32 };
void certificate_date(int64_t seconds, char out[CERTIFICATE_DATE_SIZE]);
