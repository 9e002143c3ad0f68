/* load/target.c — the address that load is put on. Knows sockets, not what is sent through them. */
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* One source address has about 28,000 ports, and each closed connection holds one for a minute
 * (TIME_WAIT). All of 127/8 is local on Linux, so connections are spread over this many of it. */
enum { SOURCE_COUNT = 64 };

static const char *without_prefix(const char *text, const char *prefix) {
  size_t size = strlen(prefix);
  return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static int parse_unix(const char *path, struct target *out) {
  struct sockaddr_un *addr = (struct sockaddr_un *)&out->addr;
  size_t size = strlen(path);
  if (size == 0 || size >= sizeof addr->sun_path) return -1;
  addr->sun_family = AF_UNIX;
  memcpy(addr->sun_path, path, size + 1);
  out->addr_size = sizeof *addr;
  return 0;
}

static int parse_port(const char *text, in_port_t *out) {
  char *end;
  long port = strtol(text, &end, 10);
  if (end == text || *end != '\0' || port < 1 || port > 65535) return -1;
  *out = htons((uint16_t)port);
  return 0;
}

static int parse_tcp(const char *text, struct target *out) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)&out->addr;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->addr;
  char host[INET6_ADDRSTRLEN + 2];
  const char *colon = strrchr(text, ':');
  if (colon == NULL || (size_t)(colon - text) >= sizeof host) return -1;
  size_t size = (size_t)(colon - text);
  memcpy(host, text, size);
  host[size] = '\0';
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    out->addr_size = sizeof *v4;
    return parse_port(colon + 1, &v4->sin_port);
  }
  if (size < 2 || host[0] != '[' || host[size - 1] != ']') return -1;
  host[size - 1] = '\0';
  if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1) return -1;
  v6->sin6_family = AF_INET6;
  out->addr_size = sizeof *v6;
  return parse_port(colon + 1, &v6->sin6_port);
}

int target_parse(const char *text, struct target *out) {
  const char *rest;
  memset(out, 0, sizeof *out);
  if ((rest = without_prefix(text, "unix://")) != NULL ||
      (rest = without_prefix(text, "unix:")) != NULL)
    return parse_unix(rest, out);
  if (*text == '/') return parse_unix(text, out);
  rest = without_prefix(text, "tcp://");
  return parse_tcp(rest != NULL ? rest : text, out);
}

/* Chooses the source address but leaves the port to connect(), which may then reuse one that is in
 * TIME_WAIT or that serves another destination. */
static int bind_source(int fd, const struct target *target, uint64_t number) {
  const struct sockaddr_in *to = (const struct sockaddr_in *)&target->addr;
  if (to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127) return 0;
  struct sockaddr_in from = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number % SOURCE_COUNT));
  int on = 1;
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0) return -1;
  return bind(fd, (const struct sockaddr *)&from, sizeof from);
}

static int set_nodelay(int fd, const struct target *target) {
  int on = 1;
  if (target->addr.ss_family == AF_UNIX) return 0;
  return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int target_connect(const struct target *target, uint64_t number) {
  int fd = socket(target->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (set_nodelay(fd, target) != 0 || bind_source(fd, target, number) != 0) goto close_fd;
  if (connect(fd, (const struct sockaddr *)&target->addr, target->addr_size) != 0 &&
      errno != EINPROGRESS)
    goto close_fd;
  return fd;

close_fd:;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int target_open_datagrams(const struct target *target) {
  int fd = socket(target->addr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr *)&target->addr, target->addr_size) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
