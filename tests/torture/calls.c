/* calls.c — stands between the program, libuv included, and its system calls on sockets: fails them
 * or does one byte of what was asked, as the plan says — knows no allocation.
 *
 * Not here: epoll_ctl() and close(), whose failure libuv answers with abort(), and what reads libuv's
 * own eventfd and signal pipe, which must be read whole. */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool is_socket(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Whether `name` fails now. */
static bool fails(const char *name) {
  if (!plan || plan->calls.error == 0 || strcmp(plan->calls.name, name) != 0) return false;
  if (!plan_hits(&plan->calls)) return false;
  errno = (int)plan->calls.error;
  return true;
}

/* Whether `name` is to do one byte only; an empty name in the plan is all of them. */
static bool is_short(const char *name, int fd) {
  if (!plan || plan->calls.error != 0 || plan->calls.first == 0 || !is_socket(fd)) return false;
  if (plan->calls.name[0] && strcmp(plan->calls.name, name) != 0) return false;
  return plan_hits(&plan->calls);
}

#define WRAP(result, name, parameters, arguments)                                                  \
  result __real_##name parameters;                                                                 \
  result __wrap_##name parameters;                                                                 \
  result __wrap_##name parameters {                                                                \
    return fails(#name) ? -1 : __real_##name arguments;                                            \
  }

#define WRAP_STREAM(name, parameters, arguments, shorten)                                          \
  ssize_t __real_##name parameters;                                                                \
  ssize_t __wrap_##name parameters;                                                                \
  ssize_t __wrap_##name parameters {                                                               \
    if (is_socket(fd) && fails(#name)) return -1;                                                  \
    if (is_short(#name, fd)) shorten;                                                              \
    return __real_##name arguments;                                                                \
  }

/* Of datagrams a byte is not a part but another datagram: only streams are shortened. */
static bool is_stream(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static struct iovec first_byte(const struct iovec *parts, int count) {
  for (int i = 0; i < count; i++) {
    if (parts[i].iov_len > 0) return (struct iovec){parts[i].iov_base, 1};
  }
  return (struct iovec){NULL, 0};
}

WRAP_STREAM(read, (int fd, void *bytes, size_t size), (fd, bytes, size), size = size > 0)
WRAP_STREAM(write, (int fd, const void *bytes, size_t size), (fd, bytes, size), size = size > 0)
WRAP_STREAM(recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags),
            if (is_stream(fd)) size = size > 0)
WRAP_STREAM(send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags),
            if (is_stream(fd)) size = size > 0)
WRAP_STREAM(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), {
  struct iovec one = first_byte(parts, count);
  return __real_writev(fd, &one, 1);
})
WRAP_STREAM(recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), {})
WRAP_STREAM(sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), {})

WRAP(ssize_t, splice,
     (int from, loff_t *at, int to, loff_t *to_at, size_t size, unsigned int flags),
     (from, at, to, to_at, size, flags))
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags))

WRAP(int, accept4, (int fd, struct sockaddr *at, socklen_t *size, int flags), (fd, at, size, flags))
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, bind, (int fd, const struct sockaddr *at, socklen_t size), (fd, at, size))
WRAP(int, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, connect, (int fd, const struct sockaddr *at, socklen_t size), (fd, at, size))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(int, getsockname, (int fd, struct sockaddr *at, socklen_t *size), (fd, at, size))
WRAP(int, getpeername, (int fd, struct sockaddr *at, socklen_t *size), (fd, at, size))
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size))
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size))
