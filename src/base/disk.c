/* base/disk.c — what can be done with files, one deed at a time, each of which may take long — does not
 * know who asks, or in which thread. */
#include "base/disk.h"

#include "base/blob.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROOM_FIRST = 4096, NEW_FILE_TRIES = 100, MODE_BITS = 07777 };

static int done(ssize_t rc) {
  return rc < 0 ? -errno : 0;
}

/* O_NONBLOCK: without it, opening a pipe would wait for whoever has its other end. */
static int open_regular(struct disk_job *job, int flags) {
  job->fd = open(job->path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
  if (job->fd < 0) return -errno;
  job->owns_fd = true;
  if (fstat(job->fd, &job->status) < 0) return -errno;
  return file_kind_refusal(&job->status);
}

/* Room for more of what is read: nothing is taken for granted of a size that stat() tells, as files of
 * /proc have none, and others grow. */
static int grow(struct disk_job *job, size_t *room) {
  size_t wanted = *room ? *room * 2 : (size_t)job->status.st_size + 1;
  if (wanted < ROOM_FIRST) wanted = ROOM_FIRST;
  if (wanted > job->max) wanted = job->max + 1; /* the byte by which it is known to be too large */
  char *bytes = realloc(job->bytes, wanted);
  if (!bytes) return -ENOMEM;
  job->bytes = bytes;
  *room = wanted;
  return 0;
}

static int read_all(struct disk_job *job) {
  size_t room = 0;
  int rc = open_regular(job, O_RDONLY);
  if (rc == 0 && job->status.st_size > 0 && (size_t)job->status.st_size > job->max) return -EFBIG;
  while (rc == 0) {
    if (job->size == room) rc = grow(job, &room);
    if (rc < 0) return rc;
    ssize_t got = read(job->fd, job->bytes + job->size, room - job->size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return done(got);
    job->size += (size_t)got;
    if (job->size > job->max) return -EFBIG;
  }
  return rc;
}

static int write_all(const struct disk_job *job) {
  size_t written = 0;
  while (written < job->size) {
    ssize_t put = write(job->fd, job->bytes + written, job->size - written);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return -errno;
    written += (size_t)put;
  }
  return 0;
}

static int append(struct disk_job *job) {
  int rc = open_regular(job, O_WRONLY | O_APPEND | O_CREAT);
  return rc < 0 ? rc : write_all(job);
}

/* A new file beside `target`, with the rights that this has or a new one gets. Its name in `out`. */
static int open_beside(struct disk_job *job, const char *target, char out[PATH_MAX]) {
  struct timespec now;
  for (int i = 0; i < NEW_FILE_TRIES; i++) {
    clock_gettime(CLOCK_REALTIME, &now);
    int size = snprintf(out, PATH_MAX, "%s.%lx%lx.new", target, (unsigned long)getpid(),
                        (unsigned long)now.tv_nsec);
    if (size >= PATH_MAX) return -ENAMETOOLONG;
    job->fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    job->owns_fd = job->fd >= 0;
    if (job->fd >= 0 || errno != EEXIST) break;
  }
  return done(job->fd);
}

/* Where `path` leads: a link stays one. What is no file stays, too. */
static int find_target(struct disk_job *job, char target[PATH_MAX]) {
  if (stat(job->path, &job->status) == 0) {
    int rc = file_kind_refusal(&job->status);
    return rc < 0 ? rc : realpath(job->path, target) ? 0 : -errno;
  }
  if (errno != ENOENT) return -errno;
  job->status.st_mode = 0;
  struct stat link;
  if (lstat(job->path, &link) == 0) return -ELOOP; /* to nothing */
  return snprintf(target, PATH_MAX, "%s", job->path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int replace(struct disk_job *job) {
  char target[PATH_MAX], beside[PATH_MAX];
  int rc = find_target(job, target);
  if (rc == 0) rc = open_beside(job, target, beside);
  if (rc < 0) return rc;
  if (job->status.st_mode) rc = done(fchmod(job->fd, job->status.st_mode & MODE_BITS));
  if (rc == 0) rc = write_all(job);
  if (rc == 0) rc = done(fdatasync(job->fd)); /* or the name may be on the disk before the bytes */
  if (rc == 0) rc = done(rename(beside, target));
  if (rc < 0) (void)unlink(beside);
  return rc;
}

static int by_name(const void *one, const void *other) {
  return strcmp(*(char *const *)one, *(char *const *)other);
}

struct names {
  char **list; /* each on the heap */
  size_t count;
  size_t room;
  size_t bytes; /* with their NULs */
};

static int add_name(struct names *names, const char *name) {
  if (names->count == names->room) {
    size_t room = names->room ? names->room * 2 : 64;
    char **list = realloc(names->list, room * sizeof *list);
    if (!list) return -ENOMEM;
    names->list = list;
    names->room = room;
  }
  names->list[names->count] = strdup(name);
  if (!names->list[names->count]) return -ENOMEM;
  names->count++;
  names->bytes += strlen(name) + 1;
  return 0;
}

static int read_names(DIR *directory, size_t max, struct names *names) {
  const struct dirent *entry;
  int rc = 0;
  while (rc == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    rc = names->count == max ? -EFBIG : add_name(names, entry->d_name);
  }
  return rc < 0 ? rc : -errno;
}

static int join_names(const struct names *names, struct disk_job *job) {
  char *at = job->bytes = malloc(names->bytes + 1);
  if (!at) return -ENOMEM;
  if (names->count > 0) qsort(names->list, names->count, sizeof *names->list, by_name);
  for (size_t i = 0; i < names->count; i++) at = stpcpy(at, names->list[i]) + 1;
  job->size = names->bytes;
  return 0;
}

static int list(struct disk_job *job) {
  struct names names = {0};
  DIR *directory = opendir(job->path);
  if (!directory) return -errno;
  int rc = read_names(directory, job->max, &names);
  closedir(directory);
  if (rc == 0) rc = join_names(&names, job);
  for (size_t i = 0; i < names.count; i++) free(names.list[i]);
  free(names.list);
  return rc;
}

static int get(struct disk_job *job) {
  job->bytes = job->blob ? job->blob->bytes : malloc(job->max);
  if (!job->bytes) return -ENOMEM;
  ssize_t got;
  do {
    got = job->at < 0 ? read(job->fd, job->bytes, job->max)
                      : pread(job->fd, job->bytes, job->max, job->at);
  } while (got < 0 && errno == EINTR);
  job->size = got < 0 ? 0 : (size_t)got;
  return done(got);
}

void disk_do(struct disk_job *job) {
  switch (job->deed) {
    case DISK_READ: job->rc = read_all(job); break;
    case DISK_WRITE: job->rc = replace(job); break;
    case DISK_APPEND: job->rc = append(job); break;
    case DISK_STAT: job->rc = done(stat(job->path, &job->status)); break;
    case DISK_LIST: job->rc = list(job); break;
    case DISK_OPEN: job->rc = open_regular(job, job->flags); break;
    case DISK_GET: job->rc = get(job); break;
    case DISK_PUT: job->rc = write_all(job); break;
  }
  bool keeps = job->deed == DISK_OPEN && job->rc == 0;
  if (!job->owns_fd || keeps) return;
  /* Some file systems tell only now that what was written found no room. */
  if (close(job->fd) < 0 && job->rc == 0 && job->deed == DISK_APPEND) job->rc = -errno;
  job->owns_fd = false;
  job->fd = -1;
}

void disk_job_deinit(struct disk_job *job) {
  if (job->owns_fd) close(job->fd);
  if (!job->blob) free(job->bytes);
  blob_unref(job->blob);
  free(job->path);
}
