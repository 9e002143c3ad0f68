/* cli/cert.c — `moonport cert NAME...`: certificates for trying things, in the directory where it runs. It
 * overwrites nothing. */
#include "cli/table.h"
#include "net/tls/issue.h"
#include "net/tls/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  NAME_BYTES_MAX = 253, /* of a host: RFC 1035 */
  AUTHORITY_DAYS = 3650,
  ERROR_BYTES_MAX = 1024,
};

/* The files of one pair. */
struct pair_files {
  char certificate[NAME_BYTES_MAX + 8];
  char key[NAME_BYTES_MAX + 8];
};

/* "localhost.pem" and "localhost.key"; no shell expands "_.c.example". */
static struct pair_files files_of(const char *name) {
  struct pair_files files;
  const bool is_wild = name[0] == '*';
  snprintf(files.certificate, sizeof files.certificate, "%s%.*s.pem", is_wild ? "_" : "",
           NAME_BYTES_MAX, name + is_wild);
  snprintf(files.key, sizeof files.key, "%s%.*s.key", is_wild ? "_" : "", NAME_BYTES_MAX,
           name + is_wild);
  return files;
}

static bool is_there(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

/* Whether nothing is there that would be overwritten. */
static bool are_free(const struct pair_files *files) {
  const char *const paths[] = {files->certificate, files->key};
  for (size_t i = 0; i < 2; i++) {
    if (!is_there(paths[i])) continue;
    fprintf(stderr, "moonport: %s is already there: remove it, or run this in another directory\n",
            paths[i]);
    return false;
  }
  return true;
}

typedef int (*issued_write)(const struct issued *issued, FILE *file);

/* Whole, or not at all. */
static bool write_file(const struct issued *issued, issued_write write, const char *path,
                       mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file) {
    fprintf(stderr, "moonport: %s cannot be made: %s\n", path, strerror(errno));
    if (fd >= 0) close(fd);
    return false;
  }
  bool fits = write(issued, file) == 0;
  if (fclose(file) == 0 && fits) return true;
  fprintf(stderr, "moonport: %s cannot be written: %s\n", path, strerror(errno));
  unlink(path);
  return false;
}

static bool write_pair(const struct issued *issued, const struct pair_files *files) {
  if (!write_file(issued, issued_write_key, files->key, 0600)) return false;
  if (write_file(issued, issued_write_certificate, files->certificate, 0644)) return true;
  unlink(files->key);
  return false;
}

/* --- The local authority ---------------------------------------------------------------------- */

static bool make_authority(const struct pair_files *files, struct issued *out) {
  char host[HOST_NAME_MAX + 1] = "", subject[HOST_NAME_MAX + 32];
  gethostname(host, sizeof host - 1);
  snprintf(subject, sizeof subject, "moonport cert on %s", host);
  const char *names[] = {subject}, *reason = NULL;
  const int64_t now = time(NULL);
  const struct issue_order order = {.names = names,
                                    .name_count = 1,
                                    .not_before = now - 60,
                                    .not_after = now + (int64_t)AUTHORITY_DAYS * 86400};
  if (issue_authority(&order, out, &reason) != 0) {
    fprintf(stderr, "moonport: no authority can be made: %s\n", reason);
    return false;
  }
  if (write_pair(out, files)) {
    printf("%s: an authority of your own, for clients to trust; keep %s to yourself\n",
           files->certificate, files->key);
    return true;
  }
  issued_deinit(out);
  return false;
}

static bool find_authority(struct issued *out) {
  const struct pair_files files = files_of("ca");
  bool has_certificate = is_there(files.certificate), has_key = is_there(files.key);
  if (!has_certificate && !has_key) return make_authority(&files, out);
  if (has_certificate && has_key) {
    char error[ERROR_BYTES_MAX];
    if (issued_read(files.certificate, files.key, out, error, sizeof error)) return true;
    fprintf(stderr, "moonport: %s\n", error);
    return false;
  }
  fprintf(stderr, "moonport: there is %s and no %s: an authority is both, so remove it\n",
          has_key ? files.key : files.certificate, has_key ? files.certificate : files.key);
  return false;
}

/* --- The certificate ----------------------------------------------------------------------------- */

static void tell(const struct issue_order *order, const struct pair_files *files) {
  const char *host = order->names[0];
  const char *ca = order->authority ? "ca.pem" : files->certificate;
  printf("%s: a certificate for ", files->certificate);
  for (size_t i = 0; i < order->name_count; i++) printf("%s%s", i ? ", " : "", order->names[i]);
  printf("\n%s: its private key\n\nIn a script beside them:\n", files->key);
  printf("  listen = \"tls://:8443\",\n  tls = { cert = \"%s\", key = \"%s\" },\n",
         files->certificate, files->key);
  printf("To try it:\n  openssl s_client -quiet -CAfile %s -verify_return_error -servername %s "
         "-connect 127.0.0.1:8443\n",
         ca, host[0] == '*' ? "any" : host);
}

static int make(const struct issue_order *order, const struct pair_files *files) {
  struct issued issued;
  const char *reason = NULL;
  if (issue_leaf(order, &issued, &reason) != 0) {
    fprintf(stderr, "moonport: no certificate can be made: %s\n", reason);
    return EXIT_AT_FAULT;
  }
  bool fits = write_pair(&issued, files);
  if (fits) tell(order, files);
  issued_deinit(&issued);
  return fits ? EXIT_DONE : EXIT_AT_FAULT;
}

/* A host, with one star at most, which stands for its first label; or an IP address. */
static bool is_name(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_.:";
  const char *rest = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
  size_t size = strlen(rest);
  return size > 0 && size < NAME_BYTES_MAX && rest[0] != '.' && rest[0] != '-' &&
         strspn(rest, letters) == size;
}

/* Who asks for the one asks for the others. */
static const char *const of_localhost[] = {"localhost", "127.0.0.1", "::1"};

int cert_command(const struct command_call *call) {
  struct issued authority = {0};
  const int64_t now = time(NULL);
  struct issue_order order = {.names = call->words,
                              .name_count = call->word_count,
                              .not_before = now - 60, /* clocks differ */
                              .not_after = now + options_number(call->options, "days") * 86400};
  for (size_t i = 0; i < call->word_count; i++) {
    if (is_name(call->words[i])) continue;
    return command_refuse(call->command,
                          "\"%s\" is no name of a host: write localhost, b.example, *.c.example or "
                          "an IP address",
                          call->words[i]);
  }
  char error[ERROR_BYTES_MAX];
  if (!tls_lazy_open(error, sizeof error)) {
    fprintf(stderr, "moonport: %s\n", error);
    return EXIT_AT_FAULT;
  }
  const struct pair_files files = files_of(call->words[0]);
  if (call->word_count == 1 && strcmp(call->words[0], of_localhost[0]) == 0) {
    order.names = of_localhost;
    order.name_count = sizeof of_localhost / sizeof *of_localhost;
  }
  if (!are_free(&files)) return EXIT_AT_FAULT;
  if (options_flag(call->options, "ca")) {
    if (!find_authority(&authority)) return EXIT_AT_FAULT;
    order.authority = &authority;
  }
  int code = make(&order, &files);
  issued_deinit(&authority);
  return code;
}
