/* tls_files.h — certificates in files, for the unit tests of TLS: made when they are asked for, in a
 * directory that is gone at the end. */
#pragma once

#include "net/tls/issue.h"

#include <limits.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char tls_directory[64] = "/tmp/moonport-tls-XXXXXX";
static char tls_made[64][PATH_MAX]; /* what is there */
static size_t tls_made_count;

static inline void tls_files_end(void) {
  for (size_t i = 0; i < tls_made_count; i++) unlink(tls_made[i]);
  rmdir(tls_directory);
}

/* Its path, which is remembered: the same for the same name. */
static inline const char *tls_path(const char *name) {
  char path[PATH_MAX];
  if (tls_made_count == 0) {
    if (!mkdtemp(tls_directory)) abort();
    if (atexit(tls_files_end) != 0) abort();
  }
  (void)snprintf(path, sizeof path, "%s/%s", tls_directory, name);
  for (size_t i = 0; i < tls_made_count; i++) {
    if (strcmp(tls_made[i], path) == 0) return tls_made[i];
  }
  if (tls_made_count == sizeof tls_made / sizeof *tls_made) abort();
  memcpy(tls_made[tls_made_count], path, sizeof path);
  return tls_made[tls_made_count++];
}

static inline const char *tls_write(const char *name, const char *bytes, size_t size) {
  FILE *file = fopen(tls_path(name), "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
  return tls_path(name);
}

static inline const char *tls_write_certificate(const char *name, X509 *certificate) {
  FILE *file = fopen(tls_path(name), "ab");
  if (!file || PEM_write_X509(file, certificate) != 1 || fclose(file) != 0) abort();
  return tls_path(name);
}

static inline const char *tls_write_key(const char *name, EVP_PKEY *key) {
  FILE *file = fopen(tls_path(name), "ab");
  if (!file || PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1) abort();
  if (fclose(file) != 0) abort();
  return tls_path(name);
}

/* For `name`, from so many days from now on until then; NULL signs itself. */
static inline struct issued tls_issue(const char *name, int from_days, int until_days,
                                      const struct issued *authority) {
  const char *names[] = {name};
  const char *reason = NULL;
  struct issued issued;
  const struct issue_order order = {
      .names = names,
      .name_count = 1,
      .not_before = time(NULL) + from_days * 86400LL - 60,
      .not_after = time(NULL) + until_days * 86400LL + 60,
      .authority = authority,
  };
  if (issue_leaf(&order, &issued, &reason) != 0) abort();
  return issued;
}

static inline struct issued tls_issue_authority(const char *name) {
  const char *names[] = {name};
  const char *reason = NULL;
  struct issued issued;
  const struct issue_order order = {
      .names = names,
      .name_count = 1,
      .not_before = time(NULL) - 60,
      .not_after = time(NULL) + 86400,
  };
  if (issue_authority(&order, &issued, &reason) != 0) abort();
  return issued;
}
