/* net/bind.c — a stream socket from socket(2) to bind(2). Knows the kernel, not the loop.
 *
 * Options that accepted sockets inherit (tcp(7)) are set here, once, instead of on every
 * connection. */
#include "net/bind.h"

#include "base/platform.h"
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum {
  /* A peer that vanished without FIN or RST is found out after 60 + 6 x 10 s. */
  KEEPALIVE_IDLE_S = 60,
  KEEPALIVE_INTERVAL_S = 10,
  KEEPALIVE_PROBES = 6,
};

int bind_set_tcp_options(int fd) {
  const struct {
    int level, name, value;
  } options[] = {
      {SOL_SOCKET, SO_KEEPALIVE, 1},
      {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
      {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
      {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
      {IPPROTO_TCP, TCP_NODELAY, 1}, /* a handler's sends leave in one write already */
  };
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    int value = options[i].value;
    if (setsockopt(fd, options[i].level, options[i].name, &value, sizeof value) < 0) {
      return uv_translate_sys_error(errno);
    }
  }
  return 0;
}

static int set_listener_options(int fd) {
  const int on = 1; /* restart while old connections are in TIME_WAIT */
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) {
    return uv_translate_sys_error(errno);
  }
  return bind_set_tcp_options(fd);
}

/* Whether somebody answers at a Unix path; decides between a stale socket and a live one. */
static int unlink_if_stale(const struct sockaddr_un *address, socklen_t size) {
  struct stat status;
  if (!address->sun_path[0]) return 0; /* abstract: it ends with who listens */
  if (lstat(address->sun_path, &status) < 0) return errno == ENOENT ? 0 : UV_EADDRINUSE;
  if (!S_ISSOCK(status.st_mode)) return UV_EEXIST;
  int fd = platform_socket(AF_UNIX, SOCK_STREAM, false);
  if (fd < 0) return uv_translate_sys_error(errno);
  int rc = connect(fd, (const struct sockaddr *)address, size);
  int error = errno;
  close(fd);
  /* Anything but "refused" (a full backlog, no permission) means that somebody may be there. */
  if (rc == 0 || error != ECONNREFUSED) return UV_EADDRINUSE;
  return unlink(address->sun_path) == 0 ? 0 : uv_translate_sys_error(errno);
}

static int prepare(int fd, const struct sockaddr *address, socklen_t size) {
  if (address->sa_family != AF_UNIX) return set_listener_options(fd);
  return unlink_if_stale((const struct sockaddr_un *)(const void *)address, size);
}

static const char *unix_path(const struct sockaddr *address) {
  return address->sa_family == AF_UNIX
             ? ((const struct sockaddr_un *)(const void *)address)->sun_path
             : NULL;
}

static void remember_file(struct bound_socket *bound, const struct sockaddr *address) {
  struct stat status;
  const char *path = unix_path(address);
  if (!path || !path[0] || lstat(path, &status) < 0) return;
  bound->file = malloc(sizeof *bound->file); /* without memory it is left where it is */
  if (!bound->file) return;
  *bound->file = (struct bound_file){.users = 1, .device = status.st_dev, .inode = status.st_ino};
}

static int set_on(int fd, int level, int name) {
  const int on = 1;
  return setsockopt(fd, level, name, &on, sizeof on) < 0 ? uv_translate_sys_error(errno) : 0;
}

int bind_open(const struct listener_options *options, struct bound_socket *out) {
  const struct sockaddr *address = options->address;
  const socklen_t size = options->address_size;
  *out = (struct bound_socket){0};
  int fd = platform_socket(address->sa_family, SOCK_STREAM, false);
  if (fd < 0) return uv_translate_sys_error(errno);
  int rc = prepare(fd, address, size);
  if (rc == 0 && options->beside) rc = set_on(fd, SOL_SOCKET, SO_REUSEPORT);
  if (rc == 0 && bind(fd, address, size) < 0) rc = uv_translate_sys_error(errno);
  if (rc < 0) {
    close(fd);
    return rc;
  }
  out->fd = fd;
  remember_file(out, address);
  return 0;
}

int bind_duplicate(const struct bound_socket *bound, struct bound_socket *out) {
  int fd = fcntl(bound->fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return uv_translate_sys_error(errno);
  *out = (struct bound_socket){.fd = fd, .file = bound->file};
  if (out->file) out->file->users++;
  return 0;
}

int bind_adopt(int fd, struct bound_socket *out) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  *out = (struct bound_socket){.fd = fd};
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
    return uv_translate_sys_error(errno);
  }
  /* The file of a Unix socket is that of who made it. */
  return address.ss_family == AF_UNIX ? 0 : set_listener_options(fd);
}

static void forget_file(struct bound_socket *bound) {
  if (bound->file && --bound->file->users == 0) free(bound->file);
  bound->file = NULL;
}

void bind_own_file(struct bound_socket *bound, bool on) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (!on) {
    forget_file(bound);
  } else if (!bound->file && getsockname(bound->fd, (struct sockaddr *)&address, &size) == 0) {
    remember_file(bound, (const struct sockaddr *)&address);
  }
}

static void unlink_own(const struct bound_socket *bound) {
  struct sockaddr_un address;
  socklen_t size = sizeof address;
  struct stat status;
  if (getsockname(bound->fd, (struct sockaddr *)&address, &size) == 0 &&
      lstat(address.sun_path, &status) == 0 && status.st_ino == bound->file->inode &&
      status.st_dev == bound->file->device) {
    unlink(address.sun_path);
  }
}

void bind_release(const struct bound_socket *bound) {
  /* Before close(2): a server that starts just now either finds it answering, or gone. */
  if (bound->file && --bound->file->users == 0) {
    unlink_own(bound);
    free(bound->file);
  }
  close(bound->fd);
}
