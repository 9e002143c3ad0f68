/* base/file.c — opens files that others name, without being held up by what is none. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
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

/* The kernel knows where a descriptor leads, also through /proc/PID/root and its like. */
static int path_of(int fd, char out[PATH_MAX]) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, out, PATH_MAX - 1);
  if (size < 0) return -errno;
  out[size] = 0;
  return 0;
}

/* PROC_SUPER_MAGIC of <linux/magic.h>, which libc does not bring. */
enum { PROC_MAGIC = 0x9fa0 };

static bool is_process_memory(int fd, const char *path) {
  struct statfs system;
  const char *slash = strrchr(path, '/');
  return slash && strcmp(slash, "/mem") == 0 && fstatfs(fd, &system) == 0 &&
         system.f_type == PROC_MAGIC;
}

/* A file that opening the path would make. */
static int find_new(const char *path, char out[PATH_MAX]) {
  char directory[PATH_MAX];
  struct stat status;
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (lstat(path, &status) == 0) return -ELOOP;
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return -ENOENT;
  int size = slash ? (int)(slash - path) + 1 : 1;
  int rc = snprintf(directory, sizeof directory, "%.*s", size, slash ? path : ".");
  if (rc >= (int)sizeof directory) return -ENAMETOOLONG;
  int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  rc = path_of(fd, directory);
  close(fd);
  if (rc < 0) return rc;
  const char *between = strcmp(directory, "/") == 0 ? "" : "/";
  rc = snprintf(out, PATH_MAX, "%s%s%s", directory, between, name);
  return rc < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int file_find(const char *path, bool follows, struct file_place *out) {
  out->is_process_memory = false;
  int fd = open(path, O_PATH | O_CLOEXEC | (follows ? 0 : O_NOFOLLOW));
  if (fd < 0 && errno == ENOENT) return find_new(path, out->path);
  if (fd < 0) return -errno;
  int rc = path_of(fd, out->path);
  if (rc == 0) out->is_process_memory = is_process_memory(fd, out->path);
  close(fd);
  return rc;
}

bool file_is_below(const char *real_path, const char *directory) {
  char real[PATH_MAX];
  if (!realpath(directory, real)) return false;
  size_t size = strcmp(real, "/") == 0 ? 0 : strlen(real);
  return strncmp(real_path, real, size) == 0 && (real_path[size] == '/' || !real_path[size]);
}
