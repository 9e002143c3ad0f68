/* cli/doctor_scripts.c — whether scripts load, where they would listen, and who could connect. */
#include "api/runtime.h"
#include "base/address.h"
#include "base/grants.h"
#include "base/reach.h"
#include "cli/doctor.h"
#include "cli/settings.h"
#include "net/loop.h"
#include "server/names.h"
#include "server/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define ADDRESSES_MAX 16
#define ERROR_SIZE_MAX 512

/* One socket that would be opened. */
struct spot {
  const char *written; /* as the script has it */
  enum address_kind kind;
  const struct sockaddr *address;
  socklen_t size;
};

/* "tcp://127.0.0.1:12345" */
static void name_spot(const struct spot *spot, char out[ADDRESS_TEXT_MAX]) {
  char text[ADDRESS_TEXT_MAX - 8];
  address_from_sockaddr(spot->address, spot->size, text, sizeof text);
  const char *scheme = spot->kind == ADDRESS_UNIX  ? ""
                       : spot->kind == ADDRESS_UDP ? "udp://"
                                                   : "tcp://";
  (void)snprintf(out, ADDRESS_TEXT_MAX, "%s%s", scheme, text);
}

/* Whether somebody answers at a Unix socket's path. */
static int try_unix(const struct spot *spot) {
  const char *path = ((const struct sockaddr_un *)(const void *)spot->address)->sun_path;
  struct stat status;
  if (lstat(path, &status) != 0) {
    return errno == ENOENT ? 0 : errno;
  }
  if (!S_ISSOCK(status.st_mode)) {
    return EEXIST;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int error = fd < 0 || connect(fd, spot->address, spot->size) == 0 ? EADDRINUSE : errno;
  if (fd >= 0) {
    (void)close(fd);
  }
  return error == ECONNREFUSED ? 0 : EADDRINUSE;
}

/* Binds and lets go again. 0, or errno. */
static int try_bind(const struct spot *spot) {
  const int on = 1;
  bool datagrams = spot->kind == ADDRESS_UDP;
  int fd =
      socket(spot->address->sa_family, (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return errno;
  }
  int error = 0;
  if (!datagrams && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    error = errno;
  }
  if (error == 0 && bind(fd, spot->address, spot->size) != 0) {
    error = errno;
  }
  (void)close(fd);
  return error;
}

static const char *advice_for(int error) {
  switch (error) {
    case EADDRINUSE: return "something listens there now: is this server running already?";
    case EADDRNOTAVAIL: return "no interface of this machine has that address";
    case EACCES: return "ports below 1024 need CAP_NET_BIND_SERVICE here";
    case EEXIST: return "there is a file that is no socket: remove it";
    case EAFNOSUPPORT: return "this machine has no IPv6";
    default: return "see the system's message";
  }
}

/* Whether a Unix socket's file could be made. */
static bool has_directory(struct doctor *doctor, const char *name, const struct spot *spot) {
  char path[ADDRESS_PATH_MAX];
  (void)snprintf(path, sizeof path, "%s",
                 ((const struct sockaddr_un *)(const void *)spot->address)->sun_path);
  char *slash = strrchr(path, '/');
  if (slash != NULL) {
    slash[slash == path ? 1 : 0] = '\0';
  }
  if (access(slash != NULL ? path : ".", W_OK | X_OK) == 0) {
    return true;
  }
  doctor_say(doctor, FINDING_FAULT,
             "%s: the directory is not there, or this user may not write to it", name);
  return false;
}

static void say_reach(struct doctor *doctor, const char *name, enum reach reach) {
  const char *container = reach_container();
  switch (reach) {
    case REACH_FILE:
      doctor_say(doctor, FINDING_OK, "%s: for processes that may write to that file", name);
      break;
    case REACH_LOOPBACK:
      if (container != NULL) {
        doctor_say(doctor, FINDING_FAULT,
                   "%s: only this container (%s) reaches it, a published port does not: set "
                   "MOONPORT_HOST=0.0.0.0, or write 0.0.0.0 where listen names a host",
                   name, container);
      } else {
        doctor_say(doctor, FINDING_OK,
                   "%s: only this machine reaches it; with 0.0.0.0 as its host, others would",
                   name);
      }
      break;
    case REACH_ONE:
      doctor_say(doctor, FINDING_OK, "%s: for all who reach that address", name);
      break;
    case REACH_ANY:
      doctor_say(doctor, FINDING_OK, "%s: for all who reach this %s, at any of its addresses", name,
                 container != NULL ? "container" : "machine");
      break;
  }
}

static void look_at_spot(struct doctor *doctor, const struct spot *spot) {
  char name[ADDRESS_TEXT_MAX];
  name_spot(spot, name);
  int error = spot->kind == ADDRESS_UNIX ? try_unix(spot) : try_bind(spot);
  if (error != 0) {
    doctor_say(doctor, FINDING_FAULT, "%s cannot be listened on (%s): %s", name, strerror(error),
               advice_for(error));
  } else if (spot->kind != ADDRESS_UNIX || has_directory(doctor, name, spot)) {
    say_reach(doctor, name, reach_of(spot->address));
  }
}

/* What the host stands for, awaited; how many, or UV_E*. */
static int find_addresses(struct net_loop *loop, const struct address *address,
                          struct sockaddr_storage *found, socklen_t *sizes) {
  struct names *names = names_new(loop, NULL, NULL);
  if (names == NULL) {
    return UV_ENOMEM;
  }
  int count = names_find(names, address, found, sizes, ADDRESSES_MAX);
  while (count == UV_EAGAIN) {
    uv_run(net_loop_uv(loop), UV_RUN_ONCE);
    count = names_find(names, address, found, sizes, ADDRESSES_MAX);
  }
  names_free(names);
  return count;
}

static void look_at_address(struct doctor *doctor, struct script *script, const char *text) {
  char error[ERROR_SIZE_MAX];
  struct address address;
  struct sockaddr_storage found[ADDRESSES_MAX];
  socklen_t sizes[ADDRESSES_MAX];
  if (address_parse(text, options_string(doctor->call->options, "host"), &address, error,
                    sizeof error) < 0) {
    doctor_say(doctor, FINDING_FAULT, "%s: %s", text, error);
    return;
  }
  int count = find_addresses(script_runtime(script)->loop, &address, found, sizes);
  if (count < 0) {
    doctor_say(doctor, FINDING_FAULT,
               "%s: host \"%s\" does not resolve (%s): check the spelling, or that this machine "
               "reaches its name server",
               text, address.host, uv_strerror(count));
  }
  for (int i = 0; i < count; i++) {
    const struct spot spot = {text, address.kind, (const struct sockaddr *)&found[i], sizes[i]};
    look_at_spot(doctor, &spot);
  }
}

static int look_at_script(void *context, struct script *script) {
  struct doctor *doctor = context;
  struct script_status status;
  const char *listen = options_string(doctor->call->options, "listen");
  size_t count = 0;
  script_status(script, &status);
  doctor_head(doctor, status.path);
  doctor->scripts++;
  doctor->connections_max += script_connections_max(script);
  const char *const *addresses = script_addresses(script, &count);
  if (script_describe(script, NULL) < 0) {
    doctor_say(doctor, FINDING_FAULT, "it cannot listen: standard error says why");
    return -1;
  }
  for (size_t i = 0; listen == NULL && i < count; i++) {
    look_at_address(doctor, script, addresses[i]);
  }
  if (listen != NULL) {
    look_at_address(doctor, script, listen);
  }
  return 0;
}

static void say_grants(struct doctor *doctor) {
  doctor_head(doctor, "what scripts may do");
  if (doctor->grants != NULL) {
    doctor_say(doctor, FINDING_OK, "only what --allow names: %s", grants_text(doctor->grants));
  } else if (options_flag(doctor->call->options, "unsafe")) {
    doctor_say(doctor, FINDING_WARNING,
               "everything that this process may, and break it (--unsafe)");
  } else {
    doctor_say(doctor, FINDING_OK,
               "files, programs, networks, C modules, as this user may; --allow names less");
  }
}

void doctor_look_at_scripts(struct doctor *doctor) {
  struct log *log = settings_log_new(doctor->call->options);
  if (log == NULL) {
    doctor->faults++;
    return;
  }
  const struct server_options options = settings_read(doctor->call, doctor->grants, log);
  const size_t faults = doctor->faults;
  int rc = server_examine(&options, look_at_script, doctor);
  say_grants(doctor);
  (void)fflush(stdout);
  log_free(log);
  if (rc != 0 && doctor->faults == faults) {
    doctor_head(doctor, "scripts");
    doctor_say(doctor, FINDING_FAULT, "not all of them load: standard error says why");
  }
  if (doctor->scripts > 1 && options_string(doctor->call->options, "listen") != NULL) {
    doctor_say(doctor, FINDING_FAULT, "--listen is for a single script, and there are %zu",
               doctor->scripts);
  }
}
