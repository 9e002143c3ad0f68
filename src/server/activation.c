/* server/activation.c — sockets that the supervisor opened before the server started. Knows the
 * environment and descriptors, not who listens. */
#include "server/activation.h"

#include "base/address.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
  FIRST_DESCRIPTOR = 3, /* SD_LISTEN_FDS_START */
  SOCKETS_MAX = 256, /* more than any unit lists; a wrong number must not look at all there are */
  NAME_BYTES = 256,  /* FDNAME_MAX of systemd, and NUL */
};

struct handed_socket {
  int fd;
  int type;              /* SOCK_STREAM or SOCK_DGRAM */
  char name[NAME_BYTES]; /* FileDescriptorName=, the unit's name by default; "": it was not told */
  struct sockaddr_storage address;
  socklen_t size;
  unsigned users;
};

struct activation {
  size_t count;
  struct handed_socket sockets[];
};

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
static void take_name(const char **names, char out[NAME_BYTES]) {
  size_t size = *names ? strcspn(*names, ":") : 0;
  snprintf(out, NAME_BYTES, "%.*s", (int)size, *names ? *names : "");
  *names = *names && (*names)[size] ? *names + size + 1 : NULL;
}

/* " (chat.socket)" */
static const char *shown_name(const struct handed_socket *handed, char out[NAME_BYTES + 4]) {
  if (!*handed->name) return "";
  snprintf(out, NAME_BYTES + 4, " (%s)", handed->name);
  return out;
}

/* As sd_listen_fds(3) does when it is told to: no child is to believe them. */
static void forget_environment(void) {
  static const char *const names[] = {"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS",
                                      "LISTEN_FDNAMES"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

/* In the order of the unit's lines. */
static void take_all(struct activation *activation, int count, const char *names, struct log *log) {
  char name[NAME_BYTES + 4];
  for (int fd = FIRST_DESCRIPTOR; fd < FIRST_DESCRIPTOR + count; fd++) {
    struct handed_socket *handed = &activation->sockets[activation->count];
    *handed = (struct handed_socket){.fd = fd};
    take_name(&names, handed->name);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    const char *fault = inspect(handed);
    if (!fault) {
      activation->count++;
      continue;
    }
    log_printf(log, LOG_WARN, "descriptor %d of LISTEN_FDS%s %s; not used", fd,
               shown_name(handed, name), fault);
    close(fd);
  }
}

struct activation *activation_new(struct log *log) {
  int count = read_count(log);
  const char *names = getenv("LISTEN_FDNAMES");
  struct activation *activation = NULL;
  if (count > 0) {
    activation = calloc(1, sizeof *activation + (size_t)count * sizeof *activation->sockets);
    if (!activation) log_printf(log, LOG_ERROR, "not enough memory for the sockets of LISTEN_FDS");
  }
  if (activation) take_all(activation, count, names, log);
  forget_environment();
  return activation;
}

void activation_free(struct activation *activation) {
  for (size_t i = 0; activation && i < activation->count; i++) close(activation->sockets[i].fd);
  free(activation);
}

int activation_find(const struct activation *activation, const struct address *wanted,
                    struct sockaddr_storage *out, socklen_t *sizes, int max) {
  int count = 0;
  int type = wanted->kind == ADDRESS_UDP ? SOCK_DGRAM : SOCK_STREAM;
  if (!wanted->host_is_default || wanted->port == 0) return 0;
  for (size_t i = 0; activation && i < activation->count && count < max; i++) {
    const struct handed_socket *handed = &activation->sockets[i];
    if (handed->type != type ||
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
  return in6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) &&
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

struct handed_socket *activation_take(struct activation *activation, const struct sockaddr *address,
                                      socklen_t size, int type) {
  for (size_t i = 0; activation && i < activation->count; i++) {
    struct handed_socket *handed = &activation->sockets[i];
    if (handed->users > 0 || handed->type != type || !is_at(handed, address, size)) continue;
    handed->users = 1;
    return handed;
  }
  return NULL;
}

int handed_socket_open(const struct handed_socket *handed) {
  int fd = fcntl(handed->fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
  return fd < 0 ? uv_translate_sys_error(errno) : fd;
}

struct handed_socket *handed_socket_share(struct handed_socket *handed) {
  if (handed) handed->users++;
  return handed;
}

void handed_socket_release(struct handed_socket *handed) {
  if (handed) handed->users--;
}

void activation_report(const struct activation *activation, struct log *log) {
  for (size_t i = 0; activation && i < activation->count; i++) {
    const struct handed_socket *handed = &activation->sockets[i];
    const struct sockaddr *address = (const struct sockaddr *)&handed->address;
    char text[ADDRESS_TEXT_MAX];
    char name[NAME_BYTES + 4];
    if (handed->users > 0) continue;
    address_from_sockaddr(address, handed->size, text, sizeof text);
    const char *scheme = handed->type == SOCK_DGRAM ? "udp://" : "tcp://";
    log_printf(
        log, LOG_WARN,
        "the supervisor opened %s%s (LISTEN_FDS)%s, and no script listens there: let one, or "
        "take it out of the .socket unit",
        address->sa_family == AF_UNIX ? "" : scheme, text, shown_name(handed, name));
  }
}
