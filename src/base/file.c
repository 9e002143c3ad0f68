/* base/file.c — opens files that others name, without being held up by what is none. */
#include "base/file.h"

#include "base/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_kind_refusal(const struct stat *status) {
  if (S_ISDIR(status->st_mode)) return -EISDIR;
  return S_ISREG(status->st_mode) ? 0 : -ENXIO;
}

static int file_refusal(const struct stat *status, long long size_max) {
  int rc = file_kind_refusal(status);
  if (rc < 0) return rc;
  return status->st_size > size_max ? -EFBIG : 0;
}

bool file_is_directory(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int file_open_regular(const char *path, long long size_max, struct stat *status) {
  if (stat(path, status) < 0) return -errno;
  int rc = file_refusal(status, size_max);
  if (rc < 0) return rc;
  /* Between the two calls it may have become a pipe: O_NONBLOCK opens that without its writer. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -errno;
  rc = fstat(fd, status) < 0 ? -errno : file_refusal(status, size_max);
  if (rc == 0) return fd;
  close(fd);
  return rc;
}

/* What `fd` has, up to `capacity` bytes. */
static char *read_whole(int fd, size_t capacity, size_t *size, int *rc) {
  char *bytes = malloc(capacity + 1);
  *rc = -ENOMEM;
  if (!bytes) return NULL;
  *size = 0;
  while (*size < capacity) {
    ssize_t got = read(fd, bytes + *size, capacity - *size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      *rc = -errno;
      free(bytes);
      return NULL;
    }
    if (got == 0) break;
    *size += (size_t)got;
  }
  return bytes;
}

char *file_read(const char *path, long long size_max, size_t *size, int *rc) {
  struct stat status = {0};
  int fd = file_open_regular(path, size_max, &status);
  *rc = fd;
  if (fd < 0) return NULL;
  char *bytes = read_whole(fd, (size_t)status.st_size, size, rc);
  close(fd);
  return bytes;
}

static bool has_dots(const char *path) {
  while (*path) {
    size_t size = strcspn(path, "/");
    if (size > 0 && size <= 2 && strncmp(path, "..", size) == 0) return true;
    path += size;
    path += strspn(path, "/");
  }
  return false;
}

/* Where the last directory of the path leads that is there; *rest is what follows in the path. */
static int find_nearest(const char *path, const char **rest, char out[PATH_MAX]) {
  char directory[PATH_MAX];
  const char *end = path + strlen(path);
  bool ignored;
  for (;;) {
    while (end > path && end[-1] != '/') end--;
    int size = (int)(end - path);
    if (size >= PATH_MAX) return -ENAMETOOLONG;
    /* With its slash: what is none is -ENOTDIR. */
    snprintf(directory, sizeof directory, "%.*s", size > 0 ? size : 1, size > 0 ? path : ".");
    int rc = platform_place(directory, true, out, &ignored);
    *rest = end;
    if (rc != -ENOENT || end == path) return rc;
    while (end > path && end[-1] == '/') end--;
  }
}

/* A file that opening the path would make, or would not, for want of its directory. */
static int find_new(const char *path, char out[PATH_MAX]) {
  char directory[PATH_MAX];
  struct stat status;
  const char *rest;
  if (lstat(path, &status) == 0) return -ELOOP;
  int rc = find_nearest(path, &rest, directory);
  if (rc < 0) return rc;
  if (!*rest || rest[strlen(rest) - 1] == '/' || has_dots(rest)) return -ENOENT;
  const char *between = strcmp(directory, "/") == 0 ? "" : "/";
  rc = snprintf(out, PATH_MAX, "%s%s%s", directory, between, rest);
  return rc < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int file_find(const char *path, bool follows, struct file_place *out) {
  out->is_process_memory = false;
  int rc = platform_place(path, follows, out->path, &out->is_process_memory);
  return rc == -ENOENT ? find_new(path, out->path) : rc;
}

bool file_is_below(const char *real_path, const char *directory) {
  char real[PATH_MAX];
  if (!realpath(directory, real)) return false;
  size_t size = strcmp(real, "/") == 0 ? 0 : strlen(real);
  return strncmp(real_path, real, size) == 0 && (real_path[size] == '/' || !real_path[size]);
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

int file_shortage(void) {
  int fd = platform_open_directory("/");
  if (fd < 0) return errno;
  close(fd);
  return 0;
}
