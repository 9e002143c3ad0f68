/* base/file.c — opens files that others name, without being held up by what is none. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int refusal(const struct stat *status, long long size_max) {
  if (S_ISDIR(status->st_mode)) return -EISDIR;
  if (!S_ISREG(status->st_mode)) return -ENXIO;
  return status->st_size > size_max ? -EFBIG : 0;
}

int file_open_regular(const char *path, long long size_max, struct stat *status) {
  if (stat(path, status) < 0) return -errno;
  int rc = refusal(status, size_max);
  if (rc < 0) return rc;
  /* Between the two calls it may have become a pipe: O_NONBLOCK opens that without its writer. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -errno;
  rc = fstat(fd, status) < 0 ? -errno : refusal(status, size_max);
  if (rc == 0) return fd;
  close(fd);
  return rc;
}

bool file_error_is_passing(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EINTR:
    case EAGAIN:
    case EIO:
    case ETIMEDOUT: return true;
    default: return false;
  }
}
