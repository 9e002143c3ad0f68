/* net/tls/issue.h — makes keys and certificates for trying things. Names no file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct evp_pkey_st;
struct x509_st;

/* A certificate with its key. */
struct issued {
  struct x509_st *certificate;
  struct evp_pkey_st *key;
};

struct issue_order {
  const char *const *names; /* hosts and IP addresses; the first is also the subject */
  size_t name_count;
  int64_t not_before; /* seconds since 1970 */
  int64_t not_after;
  const struct issued *authority; /* who signs it; NULL: it signs itself */
};

/* For servers and clients alike, with a new key on P-256. 0, or -1 with a few words in *reason, static
 * text; *out is empty then. */
int issue_leaf(const struct issue_order *order, struct issued *out, const char **reason);
/* One that signs others, and nothing above it; the names are its subject's only. */
int issue_authority(const struct issue_order *order, struct issued *out, const char **reason);
/* As PEM. 0, or -1: errno says why, or is 0. */
int issued_write_certificate(const struct issued *issued, FILE *file);
int issued_write_key(const struct issued *issued, FILE *file);
/* From such files. False with a sentence in `error`: *out is empty then. */
bool issued_read(const char *cert, const char *key, struct issued *out, char *error,
                 size_t error_size);
void issued_deinit(struct issued *issued);
