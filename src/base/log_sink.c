/* base/log_sink.c — a descriptor that is written without waiting. Knows nothing of what it writes.
 *
 * A pipe or a terminal whose reader stopped would stall the whole server in write(). The cure is
 * O_NONBLOCK, but flags belong to the open file, which a shell or a sibling process may share.
 * So the file is opened a second time, where the system can, and only that copy is non-blocking; elsewhere
 * poll(2) is asked before each write. */
#include "base/log_sink.h"

#include "base/platform.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe that is ready takes this much at once (POSIX, write(2)). */
enum { SHARED_WRITE_SIZE_MAX = PIPE_BUF };

void log_sink_init(struct log_sink *sink, int fd) {
  struct stat status;
  *sink = (struct log_sink){.kind = LOG_SINK_SHARED, .fd = fd};
  if (fstat(fd, &status) != 0) return;
  if (S_ISREG(status.st_mode)) {
    sink->kind = LOG_SINK_FILE;
  } else if (S_ISSOCK(status.st_mode)) {
    sink->kind = LOG_SINK_SOCKET;
  } else if (S_ISFIFO(status.st_mode) || isatty(fd)) {
    int own = platform_reopen(fd);
    if (own >= 0) *sink = (struct log_sink){.kind = LOG_SINK_OWN, .fd = own};
  }
}

void log_sink_deinit(struct log_sink *sink) {
  if (sink->kind == LOG_SINK_OWN) (void)close(sink->fd);
  sink->fd = -1;
}

static ssize_t write_shared(int fd, const char *bytes, size_t size) {
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  int count = poll(&ready, 1, 0);
  if (count < 0) return -1;
  if (count == 0) {
    errno = EAGAIN;
    return -1;
  }
  return write(fd, bytes, size < SHARED_WRITE_SIZE_MAX ? size : SHARED_WRITE_SIZE_MAX);
}

ssize_t log_sink_write(const struct log_sink *sink, const char *bytes, size_t size) {
  switch (sink->kind) {
    case LOG_SINK_SOCKET: return send(sink->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    case LOG_SINK_SHARED: return write_shared(sink->fd, bytes, size);
    case LOG_SINK_OWN:
    case LOG_SINK_FILE: break;
  }
  return write(sink->fd, bytes, size);
}

bool log_sink_wait(const struct log_sink *sink, int timeout_ms) {
  struct pollfd ready = {.fd = sink->fd, .events = POLLOUT};
  int count = poll(&ready, 1, timeout_ms);
  return count > 0 && (ready.revents & POLLOUT) != 0;
}
