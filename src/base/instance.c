/* base/instance.c — a directory of one server's own, while it runs. Knows nothing of what is in it. */
#include "base/instance.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char name_start[] = "moonport-";

struct instance {
  char path[PATH_MAX];
  int fd;      /* has the lock */
  pid_t maker; /* whose it is */
};

/* The files in a directory of ours, which has no others, and itself. */
static void remove_all(int fd, const char *path) {
  DIR *listing = fdopendir(dup(fd));
  struct dirent *entry;
  while (listing && (entry = readdir(listing))) {
    if (entry->d_type != DT_DIR) (void)unlinkat(fd, entry->d_name, 0);
  }
  if (listing) closedir(listing);
  (void)rmdir(path);
}

/* Its descriptor with the lock; -1: somebody has it, or it is none of ours. */
static int lock_directory(const char *path) {
  struct stat opened, named;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  bool is_ours =
      fstat(fd, &opened) == 0 && opened.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0;
  /* Another one may have taken it for left behind before it was locked. */
  if (is_ours && stat(path, &named) == 0 && named.st_ino == opened.st_ino) return fd;
  close(fd);
  return -1;
}

static void remove_left_behind(const char *parent) {
  char path[PATH_MAX];
  DIR *listing = opendir(parent);
  struct dirent *entry;
  while (listing && (entry = readdir(listing))) {
    if (strncmp(entry->d_name, name_start, sizeof name_start - 1) != 0) continue;
    if (snprintf(path, sizeof path, "%s/%s", parent, entry->d_name) >= PATH_MAX) continue;
    int fd = lock_directory(path);
    if (fd < 0) continue;
    remove_all(fd, path);
    close(fd);
  }
  if (listing) closedir(listing);
}

static bool make_in(struct instance *instance, const char *parent) {
  if (!parent || *parent != '/') return false;
  remove_left_behind(parent);
  int size = snprintf(instance->path, sizeof instance->path, "%s/%s%ld-XXXXXX", parent, name_start,
                      (long)getpid());
  if (size >= PATH_MAX || !mkdtemp(instance->path)) return false;
  instance->fd = lock_directory(instance->path);
  return instance->fd >= 0;
}

struct instance *instance_new(void) {
  struct instance *instance = calloc(1, sizeof *instance);
  if (!instance) return NULL;
  instance->maker = getpid();
  if (make_in(instance, "/dev/shm") || make_in(instance, getenv("XDG_RUNTIME_DIR")) ||
      make_in(instance, "/tmp"))
    return instance;
  free(instance);
  return NULL;
}

const char *instance_path(const struct instance *instance) {
  return instance->path;
}

void instance_free(struct instance *instance) {
  if (!instance) return;
  if (instance->maker == getpid()) remove_all(instance->fd, instance->path);
  close(instance->fd);
  free(instance);
}
