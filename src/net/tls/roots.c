/* net/tls/roots.c — the authorities that this system trusts. Knows no connection.
 *
 * X509_STORE_set_default_paths() would look into a directory at the first handshake of each issuer,
 * on the loop's thread. So all of them are read at once. */
#include "net/tls/roots.h"

#include "net/tls/lazy.h"
#include "net/tls/pem.h"

#include <dirent.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct tls_reader nobody;

static bool add_all(const struct tls_reading *reading, X509_STORE *store, const char *path) {
  STACK_OF(X509) *certificates = tls_read_certificates(reading, path);
  bool fits = certificates != NULL;
  for (int i = 0; fits && i < sk_X509_num(certificates); i++) {
    fits = X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1;
  }
  if (certificates && !fits) tls_refuse(reading, "%s: %s", path, tls_reason());
  sk_X509_pop_free(certificates, X509_free);
  return fits;
}

/* Each file of it that holds some: there may be others. */
static bool add_directory(const struct tls_reading *reading, X509_STORE *store, const char *path) {
  char file[PATH_MAX];
  bool found = false;
  DIR *directory = opendir(path);
  if (!directory) return tls_refuse(reading, "%s: the directory cannot be read", path);
  const struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    int size = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    if (size < (int)sizeof file && add_all(reading, store, file)) found = true;
  }
  closedir(directory);
  return found || tls_refuse(reading, "%s: there is no certificate in it", path);
}

static const char *first_bundle(void) {
  const char *const places[] = {
      X509_get_default_cert_file(),         /* of OpenSSL as it was built: Arch, Homebrew, NixOS */
      "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
      "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
      "/etc/ssl/ca-bundle.pem",             /* openSUSE */
      "/etc/ssl/cert.pem",                  /* macOS, the BSDs */
  };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    if (access(places[i], R_OK) == 0) return places[i];
  }
  return NULL;
}

static bool add_system(const struct tls_reading *reading, X509_STORE *store) {
  const char *file = getenv(X509_get_default_cert_file_env());
  const char *directory = getenv(X509_get_default_cert_dir_env());
  if (file || directory) {
    return (!file || add_all(reading, store, file)) &&
           (!directory || add_directory(reading, store, directory));
  }
  file = first_bundle();
  if (file) return add_all(reading, store, file);
  return add_directory(reading, store, X509_get_default_cert_dir()) ||
         tls_refuse(reading, "this system has no certificates of authorities: install "
                             "ca-certificates, or name a file in SSL_CERT_FILE");
}

void tls_roots_free(X509_STORE *roots) {
  X509_STORE_free(roots);
}

X509_STORE *tls_roots_load(char *error, size_t error_size) {
  const struct tls_reading reading = {&nobody, error, error_size, NULL};
  if (!tls_lazy_open(error, error_size)) return NULL;
  X509_STORE *store = X509_STORE_new();
  if (store && add_system(&reading, store)) return store;
  if (!store) tls_refuse(&reading, "memory is out");
  X509_STORE_free(store);
  return NULL;
}
