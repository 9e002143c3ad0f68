/* server/activation.c — sockets that were open before the server started. Knows the environment and
 * descriptors, not who listens. */
#include "server/activation_state.h"

#include "base/address.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum {
  FIRST_DESCRIPTOR = 3, /* SD_LISTEN_FDS_START */
  SOCKETS_MAX = 256, /* more than any unit lists; a wrong number must not look at all there are */
};

static struct handed_socket *handed_at(const struct list *link) {
  return LIST_ELEMENT(link, struct handed_socket, link);
}

/* The next one; NULL: that was the last. */
static struct handed_socket *handed_next(const struct activation *activation,
                                         const struct handed_socket *handed) {
  if (!activation) return NULL;
  const struct list *next = handed ? handed->link.next : activation->sockets.next;
  return next == &activation->sockets ? NULL : handed_at(next);
}

/* How many descriptors are meant for this process; 0: none. */
static int read_count(struct log *log) {
  const char *pid = getenv("LISTEN_PID");
  const char *count = getenv("LISTEN_FDS");
  /* Those of a parent that was started by a socket and did not clean up are none of ours. */
  if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid()) return 0;
  char *end;
  long number = strtol(count, &end, 10);
  if (*count && !*end && number >= 0 && number <= SOCKETS_MAX) return (int)number;
  log_printf(log, LOG_WARN, "LISTEN_FDS is \"%s\": no number from 0 to %d; not used", count,
             SOCKETS_MAX);
  return 0;
}

static int option_of(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) < 0 ? -1 : value;
}

/* NULL, or why the descriptor is of no use. */
static const char *inspect(struct handed_socket *handed) {
  handed->type = option_of(handed->fd, SOL_SOCKET, SO_TYPE);
  if (handed->type < 0) return "is no socket";
  if (handed->type != SOCK_STREAM && handed->type != SOCK_DGRAM) {
    return "is neither a stream nor datagrams: use ListenStream= or ListenDatagram=";
  }
  if (handed->type == SOCK_STREAM && option_of(handed->fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) {
    return "does not listen: use Accept=no";
  }
  handed->size = sizeof handed->address;
  if (getsockname(handed->fd, (struct sockaddr *)&handed->address, &handed->size) < 0) {
    return "has no address";
  }
  const int family = handed->address.ss_family;
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
    return "is of a family that no listen can name: use an IP address, or a path";
  }
  return NULL;
}

/* The next of the names that LISTEN_FDNAMES separates by colons. */
static void take_name(const char **names, char out[SOCKET_NAME_BYTES]) {
  size_t size = *names ? strcspn(*names, ":") : 0;
  snprintf(out, SOCKET_NAME_BYTES, "%.*s", (int)size, *names ? *names : "");
  *names = *names && (*names)[size] ? *names + size + 1 : NULL;
}

/* " (chat.socket)" */
static const char *shown_name(const struct handed_socket *handed, char out[SOCKET_NAME_BYTES + 4]) {
  if (!*handed->name) return "";
  snprintf(out, SOCKET_NAME_BYTES + 4, " (%s)", handed->name);
  return out;
}

/* As sd_listen_fds(3) does when it is told to: no child is to believe them. */
static void forget_environment(void) {
  static const char *const names[] = {"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS",
                                      "LISTEN_FDNAMES"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

struct activation *activation_create(void) {
  struct activation *activation = calloc(1, sizeof *activation);
  if (activation) list_init(&activation->sockets);
  return activation;
}

const char *activation_add(struct activation *activation, int fd, struct handed_socket **out) {
  struct handed_socket *handed = calloc(1, sizeof *handed);
  if (!handed) return "cannot be kept: memory is out";
  handed->fd = fd;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  const char *fault = inspect(handed);
  if (fault) {
    free(handed);
    return fault;
  }
  list_append(&activation->sockets, &handed->link);
  *out = handed;
  return NULL;
}

/* In the order of the unit's lines. */
static void take_all(struct activation *activation, int count, const char *names, struct log *log) {
  for (int fd = FIRST_DESCRIPTOR; fd < FIRST_DESCRIPTOR + count; fd++) {
    char name[SOCKET_NAME_BYTES];
    struct handed_socket *handed;
    take_name(&names, name);
    const char *fault = activation_add(activation, fd, &handed);
    if (!fault) {
      memcpy(handed->name, name, sizeof name);
      continue;
    }
    log_printf(log, LOG_WARN, "descriptor %d of LISTEN_FDS%s%s%s %s; not used", fd,
               *name ? " (" : "", name, *name ? ")" : "", fault);
    close(fd);
  }
}

struct activation *activation_new(struct log *log) {
  int count = read_count(log);
  const char *names = getenv("LISTEN_FDNAMES");
  struct activation *activation = NULL;
  if (count > 0) {
    activation = activation_create();
    if (!activation) log_printf(log, LOG_ERROR, "not enough memory for the sockets of LISTEN_FDS");
  }
  if (activation) take_all(activation, count, names, log);
  forget_environment();
  return activation;
}

static void free_handed(struct handed_socket *handed) {
  if (handed->fd >= 0) close(handed->fd);
  free(handed->script);
  free(handed->given);
  free(handed->groups);
  free(handed);
}

void activation_free(struct activation *activation) {
  struct list *link;
  while (activation && (link = list_shift(&activation->sockets))) free_handed(handed_at(link));
  free(activation);
}

bool activation_shift(struct activation *activation, struct left_socket *out) {
  struct handed_socket *handed = NULL;
  do handed = handed_next(activation, handed);
  while (handed && (!handed->is_own || handed->is_control || !handed->script));
  if (!handed) return false;
  list_remove(&handed->link);
  *out = (struct left_socket){.fd = handed->fd,
                              .type = handed->type,
                              .address = handed->address,
                              .size = handed->size,
                              .script = handed->script,
                              .given = handed->given,
                              .index = handed->index,
                              .worker = handed->worker,
                              .owns_file = handed->owns_file};
  handed->script = handed->given = NULL;
  handed->fd = -1;
  free_handed(handed);
  return true;
}

int activation_find(const struct activation *activation, const struct address *wanted,
                    struct sockaddr_storage *out, socklen_t *sizes, int max) {
  int count = 0;
  int type = wanted->kind == ADDRESS_UDP ? SOCK_DGRAM : SOCK_STREAM;
  struct handed_socket *handed = NULL;
  if (!wanted->host_is_default || wanted->port == 0) return 0;
  while (count < max && (handed = handed_next(activation, handed))) {
    if (handed->is_own || handed->type != type ||
        address_port((const struct sockaddr *)&handed->address) != wanted->port) {
      continue;
    }
    out[count] = handed->address;
    sizes[count++] = handed->size;
  }
  return count;
}

/* What systemd opens for a bare port, [::], takes IPv4 as well. */
static bool takes_all_ipv4(const struct handed_socket *handed) {
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&handed->address;
  return !handed->is_own && in6->sin6_family == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) &&
         option_of(handed->fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
}

static bool is_at(const struct handed_socket *handed, const struct sockaddr *address,
                  socklen_t size) {
  const struct sockaddr *own = (const struct sockaddr *)&handed->address;
  const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
  if (in->sin_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY) &&
      takes_all_ipv4(handed)) {
    return address_port(own) == address_port(address);
  }
  char ours[ADDRESS_TEXT_MAX];
  char wanted[ADDRESS_TEXT_MAX];
  address_from_sockaddr(own, handed->size, ours, sizeof ours);
  address_from_sockaddr(address, size, wanted, sizeof wanted);
  return strcmp(ours, wanted) == 0;
}

/* What the process before this one got when it asked the kernel for a free port. */
static bool was_picked(const struct handed_socket *handed, const struct wanted_socket *wanted) {
  if (!handed->is_own || !handed->script || !handed->given) return false;
  if (strcmp(handed->script, wanted->script) != 0 || strcmp(handed->given, wanted->given) != 0) {
    return false;
  }
  struct sockaddr_storage address = {0};
  memcpy(&address, wanted->address, wanted->size);
  address_set_port((struct sockaddr *)&address,
                   (uint16_t)address_port((const struct sockaddr *)&handed->address));
  return is_at(handed, (const struct sockaddr *)&address, wanted->size);
}

struct handed_socket *activation_take(struct activation *activation,
                                      const struct wanted_socket *wanted) {
  struct handed_socket *handed = NULL;
  while ((handed = handed_next(activation, handed))) {
    if (handed->users > 0 || handed->is_control || handed->type != wanted->type) continue;
    bool fits =
        wanted->picks ? was_picked(handed, wanted) : is_at(handed, wanted->address, wanted->size);
    if (!fits) continue;
    handed->users = 1;
    return handed;
  }
  return NULL;
}

int activation_take_control(struct activation *activation, const char *place) {
  struct handed_socket *handed = NULL;
  while ((handed = handed_next(activation, handed))) {
    if (!handed->is_control || handed->users > 0 || strcmp(handed->name, place) != 0) continue;
    handed->users = 1;
    return handed_socket_open(handed);
  }
  return -1;
}

int handed_socket_open(struct handed_socket *handed) {
  int fd = handed->fd;
  if (handed->is_own) {
    handed->fd = -1;
    return fd;
  }
  fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
  return fd < 0 ? uv_translate_sys_error(errno) : fd;
}

bool handed_socket_is_own(const struct handed_socket *handed) {
  return handed->is_own;
}

const char *handed_socket_groups(const struct handed_socket *handed) {
  return handed->groups;
}

struct handed_socket *handed_socket_share(struct handed_socket *handed) {
  if (handed) handed->users++;
  return handed;
}

void handed_socket_release(struct handed_socket *handed) {
  if (handed) handed->users--;
}

const char *activation_missed(const struct activation *activation,
                              bool (*is_wanted)(const void *context, const char *script),
                              const void *context) {
  const struct handed_socket *handed = NULL;
  while ((handed = handed_next(activation, handed))) {
    if (handed->users == 0 && handed->script && is_wanted(context, handed->script)) {
      return handed->script;
    }
  }
  return NULL;
}

void activation_settle(struct activation *activation) {
  struct handed_socket *handed = NULL;
  while ((handed = handed_next(activation, handed))) {
    if (!handed->is_own || handed->fd < 0) continue;
    if (handed->owns_file) {
      (void)unlink(((const struct sockaddr_un *)(const void *)&handed->address)->sun_path);
    }
    close(handed->fd);
    handed->fd = -1;
  }
}

enum { BITS = 64 };

static bool is_shared(const _Atomic uint64_t *taken, size_t index) {
  return taken && atomic_load(&taken[index / BITS]) >> index % BITS & 1;
}

void activation_share_taken(const struct activation *activation, _Atomic uint64_t *taken) {
  const struct handed_socket *handed = NULL;
  for (size_t i = 0; (handed = handed_next(activation, handed)); i++) {
    if (handed->users > 0) atomic_fetch_or(&taken[i / BITS], UINT64_C(1) << i % BITS);
  }
}

void activation_report(const struct activation *activation, const _Atomic uint64_t *taken,
                       struct log *log) {
  struct handed_socket *handed = NULL;
  for (size_t i = 0; (handed = handed_next(activation, handed)); i++) {
    const struct sockaddr *address = (const struct sockaddr *)&handed->address;
    char text[ADDRESS_TEXT_MAX];
    char name[SOCKET_NAME_BYTES + 4];
    if (handed->users > 0 || handed->is_own || is_shared(taken, i)) continue;
    address_from_sockaddr(address, handed->size, text, sizeof text);
    const char *scheme = handed->type == SOCK_DGRAM ? "udp://" : "tcp://";
    log_printf(
        log, LOG_WARN,
        "the supervisor opened %s%s (LISTEN_FDS)%s, and no script listens there: let one, or "
        "take it out of the .socket unit",
        address->sa_family == AF_UNIX ? "" : scheme, text, shown_name(handed, name));
  }
}
