/* cli/doctor_scripts.c — whether scripts load, where they would listen, and who could connect. */
#include "api/runtime.h"
#include "base/address.h"
#include "base/platform.h"
#include "base/reach.h"
#include "cli/doctor.h"
#include "cli/settings.h"
#include "net/loop.h"
#include "net/tls/certificate.h"
#include "net/tls/context.h"
#include "net/tls/judge.h"
#include "net/tls/roots.h"
#include "server/names.h"
#include "server/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { ADDRESSES_MAX = 16, ERROR_BYTES = 512 };

struct look {
  const struct command_call *call;
  json_t *scripts;
  size_t *connections;         /* what limits.connections add up to */
  struct x509_store_st *roots; /* whom this system trusts; NULL: they are not read, or cannot be */
};

/* One socket that would be opened. */
struct spot {
  enum address_kind kind;
  const struct sockaddr *address;
  socklen_t size;
};

/* "tcp://127.0.0.1:12345" */
static void name_spot(const struct spot *spot, char out[ADDRESS_TEXT_MAX]) {
  char text[ADDRESS_TEXT_MAX - 8];
  address_from_sockaddr(spot->address, spot->size, text, sizeof text);
  bool is_file = strncmp(text, "unix:/", 6) == 0;
  const char *scheme = spot->kind == ADDRESS_UNIX && !is_file ? "" : address_scheme(spot->kind);
  snprintf(out, ADDRESS_TEXT_MAX, "%s%s%s", scheme, *scheme ? "://" : "",
           is_file ? text + 5 : text);
}

static const char *unix_path(const struct spot *spot) {
  return ((const struct sockaddr_un *)(const void *)spot->address)->sun_path;
}

/* Whether somebody answers at a Unix socket's path, or its abstract name. */
static int try_unix(const struct spot *spot) {
  const char *path = unix_path(spot);
  struct stat status;
  if (path[0] && lstat(path, &status) != 0) return errno == ENOENT ? 0 : errno;
  if (path[0] && !S_ISSOCK(status.st_mode)) return EEXIST;
  int fd = platform_socket(AF_UNIX, SOCK_STREAM, false);
  int error = fd < 0 || connect(fd, spot->address, spot->size) == 0 ? EADDRINUSE : errno;
  if (fd >= 0) close(fd);
  return error == ECONNREFUSED ? 0 : EADDRINUSE;
}

/* Binds and lets go again. 0, or errno. */
static int try_bind(const struct spot *spot) {
  const int on = 1;
  bool datagrams = spot->kind == ADDRESS_UDP;
  int fd = platform_socket(spot->address->sa_family, datagrams ? SOCK_DGRAM : SOCK_STREAM, true);
  if (fd < 0) return errno;
  int error = 0;
  bool shares = !datagrams || address_is_group(spot->address);
  if (shares && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) error = errno;
  if (error == 0 && bind(fd, spot->address, spot->size) != 0) error = errno;
  close(fd);
  return error;
}

/* Whether a Unix socket's file could be made. */
static bool has_directory(const struct spot *spot) {
  char path[ADDRESS_PATH_MAX];
  if (!unix_path(spot)[0]) return true;
  snprintf(path, sizeof path, "%s", unix_path(spot));
  char *slash = strrchr(path, '/');
  if (slash) slash[slash == path ? 1 : 0] = '\0';
  return access(slash ? path : ".", W_OK | X_OK) == 0;
}

static json_t *look_at_spot(const struct spot *spot) {
  static const char *const reaches[] = {"file", "loopback", "one", "any"};
  char name[ADDRESS_TEXT_MAX];
  name_spot(spot, name);
  bool is_unix = spot->kind == ADDRESS_UNIX;
  int error = is_unix ? try_unix(spot) : try_bind(spot);
  const char *code = error ? uv_err_name(uv_translate_sys_error(error)) : NULL;
  return json_pack("{s:o, s:s?, s:s?, s:s, s:b}", "name", doctor_text(name), "code", code, "error",
                   error ? strerror(error) : NULL, "reach", reaches[reach_of(spot->address)],
                   "has_directory", !is_unix || has_directory(spot));
}

/* What the host stands for, awaited; how many, or UV_E*. */
static int find_addresses(struct net_loop *loop, const struct address *address,
                          struct sockaddr_storage *found, socklen_t *sizes) {
  struct names *names = names_new(loop, NULL, NULL);
  if (!names) return UV_ENOMEM;
  int count = names_find(names, address, found, sizes, ADDRESSES_MAX);
  while (count == UV_EAGAIN) {
    net_loop_turn(loop, true);
    count = names_find(names, address, found, sizes, ADDRESSES_MAX);
  }
  names_free(names);
  return count;
}

static json_t *look_at_address(const struct look *look, struct script *script, const char *text) {
  char error[ERROR_BYTES];
  struct address address;
  struct sockaddr_storage found[ADDRESSES_MAX];
  socklen_t sizes[ADDRESSES_MAX];
  const char *host = options_string(look->call->options, "host");
  if (address_parse(text, host, &address, error, sizeof error) < 0) {
    return json_pack("{s:o, s:o}", "text", doctor_text(text), "error", doctor_text(error));
  }
  int count = find_addresses(script->runtime.loop, &address, found, sizes);
  if (count < 0) {
    snprintf(error, sizeof error,
             "host \"%s\" does not resolve (%s): check the spelling, or that this machine reaches "
             "its name server",
             address.host, uv_strerror(count));
    return json_pack("{s:o, s:o}", "text", doctor_text(text), "error", doctor_text(error));
  }
  json_t *spots = json_array();
  for (int i = 0; i < count; i++) {
    const struct spot spot = {address.kind, (const struct sockaddr *)&found[i], sizes[i]};
    json_array_append_new(spots, look_at_spot(&spot));
  }
  return json_pack("{s:o, s:o}", "text", doctor_text(text), "spots", spots);
}

static void add_trait(void *context, const char *finding, const char *sentence) {
  json_array_append_new(context,
                        json_pack("{s:s, s:o}", "finding", finding, "text", doctor_text(sentence)));
}

static void add_certificate(void *context, const struct script_certificate *certificate) {
  const struct certificate *facts = certificate->facts;
  char date[CERTIFICATE_DATE_SIZE], sentence[ERROR_BYTES];
  certificate_date(facts->not_after, date);
  snprintf(sentence, sizeof sentence, "%s: %s%suntil %s, issued by %s", certificate->file,
           certificate->host ? certificate->host : "", certificate->host ? ", " : "", date,
           facts->issuer);
  add_trait(context, "ok", sentence);
}

static void add_judgement(void *context, bool is_fault, const char *sentence) {
  add_trait(context, is_fault ? "FAULT" : "note", sentence);
}

/* What the script shows over TLS, and what clients will have against it. */
static json_t *look_at_tls(struct look *look, const struct script *script) {
  char error[ERROR_BYTES];
  const struct tls_context *tls = script_tls(script);
  json_t *traits = json_array();
  if (!tls) return traits;
  const struct judge judge = {.now_s = time(NULL), .owner = traits, .say = add_judgement};
  script_each_certificate(script, add_certificate, traits);
  judge_context(&judge, tls);
  const char *warning = tls_context_warning(tls);
  if (warning) add_trait(traits, "note", warning);
  if (!look->roots) look->roots = tls_roots_load(error, sizeof error);
  if (look->roots) {
    judge_trust(&judge, tls, look->roots);
  } else {
    add_trait(traits, "note", error);
  }
  return traits;
}

static int look_at_script(void *context, struct script *script) {
  struct look *look = context;
  struct script_status status;
  size_t count = 0;
  if (!script_is_valid(script)) return 0; /* a module */
  json_t *found = json_array();
  script_status(script, &status);
  *look->connections += script_connections_max(script);
  const char *const *addresses = script_addresses(script, &count);
  bool listens = script_describe(script, NULL) >= 0;
  for (size_t i = 0; listens && i < count; i++) {
    json_array_append_new(found, look_at_address(look, script, addresses[i]));
  }
  json_array_append_new(
      look->scripts, json_pack("{s:o, s:b, s:o, s:o}", "path", doctor_text(status.path), "listens",
                               listens, "addresses", found, "tls", look_at_tls(look, script)));
  return listens ? 0 : -1;
}

void doctor_look_at_scripts(const struct command_call *call, const struct grants *grants,
                            json_t *facts, size_t *connections) {
  struct log *log = settings_log_new(call->options, LOG_PROSE);
  if (!log) return;
  const struct server_options options = settings_read(call, grants, log);
  struct look look = {.call = call, .scripts = json_array(), .connections = connections};
  int rc = server_examine(&options, look_at_script, &look);
  tls_roots_free(look.roots);
  log_free(log);
  json_object_set_new(facts, "scripts", look.scripts);
  json_object_set_new(facts, "all_load", json_boolean(rc == 0));
}
