/* server/reload/scan.c — what is at some paths now: contents, and scripts in directories. Knows the file
 * system only. */
#include "server/reload/scan.h"

#include "base/file.h"
#include "server/paths.h"
#include "server/reload/trail.h"
#include "vm/loader.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  READ_BYTES = 32 * 1024, /* at a time, on the stack */
  READ_COST_MIN = 4096,   /* opening a file costs about as much as reading so many bytes */
};

struct scan *scan_new(void) {
  struct scan *scan = calloc(1, sizeof *scan);
  if (scan) scan->places_known = true; /* there are none */
  return scan;
}

void scan_free(struct scan *scan) {
  for (size_t i = 0; i < scan->file_count; i++) free(scan->files[i].path);
  for (size_t i = 0; i < scan->directory_count; i++) free(scan->directories[i].path);
  places_clear(&scan->places);
  free(scan->files);
  free(scan->directories);
  free(scan);
}

/* Takes over `path`, which may be NULL. */
static struct scan_file *append_file(struct scan *scan, char *path) {
  size_t count = scan->file_count;
  struct scan_file *files = path ? realloc(scan->files, (count + 1) * sizeof *files) : NULL;
  if (!files) {
    free(path);
    return NULL;
  }
  scan->files = files;
  files[count] = (struct scan_file){.path = path};
  scan->file_count++;
  return &files[count];
}

struct scan_file *scan_add_file(struct scan *scan, const char *path) {
  return append_file(scan, strdup(path));
}

int scan_add_directory(struct scan *scan, const char *path) {
  size_t count = scan->directory_count;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(scan->directories[i].path, path) == 0) return 0;
  }
  struct scan_directory *directories =
      realloc(scan->directories, (count + 1) * sizeof *directories);
  if (!directories) return -1;
  scan->directories = directories;
  directories[count] = (struct scan_directory){.path = strdup(path)};
  if (!directories[count].path) return -1;
  scan->directory_count++;
  return 0;
}

static int compare_paths(const void *left, const void *right) {
  return strcmp(((const struct scan_file *)left)->path, ((const struct scan_file *)right)->path);
}

static int compare_files(const void *left, const void *right) {
  const struct file_print *a = &((const struct scan_file *)left)->loaded;
  const struct file_print *b = &((const struct scan_file *)right)->loaded;
  int order = compare_paths(left, right);
  if (order != 0) return order;
  if (a->state != b->state) return a->state < b->state ? -1 : 1;
  if (a->digest.hash != b->digest.hash) return a->digest.hash < b->digest.hash ? -1 : 1;
  return (a->digest.size > b->digest.size) - (a->digest.size < b->digest.size);
}

void scan_sort(struct scan *scan) {
  if (scan->file_count > 0) {
    qsort(scan->files, scan->file_count, sizeof *scan->files, compare_files);
  }
  scan->sorted_count = scan->file_count;
}

struct scan_file *scan_find(const struct scan *scan, const char *path,
                            const struct file_print *loaded) {
  struct scan_file key = {.path = (char *)path};
  if (scan->sorted_count == 0) return NULL;
  if (loaded) key.loaded = *loaded;
  return bsearch(&key, scan->files, scan->sorted_count, sizeof key,
                 loaded ? compare_files : compare_paths);
}

void scan_forget(struct scan *scan, size_t index) {
  struct scan_file *file = &scan->files[index];
  free(file->path);
  scan->file_count--;
  scan->sorted_count--;
  memmove(file, file + 1, (scan->file_count - index) * sizeof *file);
}

/* Compares with every directory: there are few, and this is asked about missing files only. */
const struct scan_directory *scan_directory_of(const struct scan *scan, const char *path) {
  const char *slash = strrchr(path, '/');
  size_t size = slash ? (size_t)(slash - path) : 0;
  for (size_t i = 0; i < scan->directory_count; i++) {
    const char *directory = scan->directories[i].path;
    size_t length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/') length--;
    if (slash && length == size && memcmp(directory, path, size) == 0) {
      return &scan->directories[i];
    }
  }
  return NULL;
}

bool file_print_equal(struct file_print a, struct file_print b) {
  return a.state == b.state && digest_equal(a.digest, b.digest);
}

static bool mark_equal(const struct file_mark *a, const struct file_mark *b) {
  return a->dev == b->dev && a->inode == b->inode && a->size == b->size &&
         a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
         a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static struct file_mark mark_of(const struct stat *status) {
  return (struct file_mark){.dev = status->st_dev,
                            .inode = status->st_ino,
                            .size = status->st_size,
                            .modified = status->st_mtim,
                            .changed = status->st_ctim};
}

/* What tells nothing of the file leaves what was known of it. */
static struct file_print print_of_error(int error, struct file_print before) {
  if (file_error_is_passing(error)) return before;
  if (error == ENOENT || error == ENOTDIR) return (struct file_print){.state = FILE_ABSENT};
  return (struct file_print){.state = FILE_UNREADABLE, .digest = {.hash = (uint64_t)error}};
}

static struct file_print read_print(int fd, struct file_print before) {
  char bytes[READ_BYTES];
  struct file_print print = {.state = FILE_READ, .digest = digest_empty()};
  while (print.digest.size <= LOADER_BYTES_MAX) {
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got == 0) return print;
    if (got > 0) digest_add(&print.digest, bytes, (size_t)got);
    if (got < 0 && errno != EINTR) return print_of_error(errno, before);
  }
  return print_of_error(EFBIG, before); /* it grew */
}

static void read_file(struct scan_file *file) {
  struct stat status;
  int fd = file_open_regular(file->path, LOADER_BYTES_MAX, &status);
  if (fd < 0) {
    file->now = print_of_error(-fd, file->now);
    return;
  }
  /* Of before: what is written from here on makes it differ. */
  struct file_mark mark = mark_of(&status);
  struct file_print print = read_print(fd, (struct file_print){0});
  close(fd);
  if (print.state == FILE_UNKNOWN) return;
  file->now = print;
  file->mark = mark;
}

struct file_print scan_look(const char *path) {
  struct scan_file file = {.path = (char *)(uintptr_t)path};
  read_file(&file);
  return file.now;
}

static void look_at(struct scan_file *file) {
  struct stat status;
  if (file->now.state == FILE_READ && stat(file->path, &status) == 0) {
    struct file_mark mark = mark_of(&status);
    if (mark_equal(&mark, &file->mark)) return;
  }
  read_file(file);
}

static void look_again(struct scan *scan, size_t bytes_max) {
  size_t bytes = 0;
  for (size_t i = 0; i < scan->file_count && bytes < bytes_max && !scan->stop; i++) {
    struct scan_file *file = &scan->files[scan->rehash_next++ % scan->file_count];
    if (file->now.state != FILE_READ) continue;
    read_file(file);
    bytes += file->now.digest.size > READ_COST_MIN ? file->now.digest.size : READ_COST_MIN;
  }
}

static int is_script(const struct dirent *entry) {
  return script_paths_is_script(entry->d_name);
}

/* Adds the scripts of `directory` that are new. */
static void list(struct scan *scan, struct scan_directory *directory) {
  struct dirent **entries;
  int count = scandir(directory->path, &entries, is_script, NULL);
  if (count < 0 && file_error_is_passing(errno)) return;
  directory->error = count < 0 ? errno : 0;
  if (count < 0) return;
  for (int i = 0; i < count; i++) {
    char *path = script_paths_join(directory->path, entries[i]->d_name);
    bool is_known = path && scan_find(scan, path, NULL);
    struct scan_file *added = is_known ? NULL : append_file(scan, path);
    if (is_known) free(path);
    if (added) added->listed = true;
    free(entries[i]);
  }
  free(entries);
}

static void on_place(void *context, const char *directory, const char *name) {
  places_add(context, directory, name);
}

static void find_places(struct scan *scan) {
  bool known = true;
  places_clear(&scan->places);
  for (size_t i = 0; i < scan->directory_count; i++) {
    known = trail_follow(scan->directories[i].path, on_place, &scan->places) && known;
    places_add(&scan->places, scan->directories[i].path, NULL);
  }
  for (size_t i = 0; i < scan->file_count && !scan->stop; i++) {
    known = trail_follow(scan->files[i].path, on_place, &scan->places) && known;
  }
  scan->places_known = places_settle(&scan->places) && known;
}

void scan_run(struct scan *scan, size_t rehash_bytes_max) {
  for (size_t i = 0; i < scan->directory_count; i++) list(scan, &scan->directories[i]);
  if (scan->file_count > scan->sorted_count) scan_sort(scan);
  for (size_t i = 0; i < scan->file_count && !scan->stop; i++) look_at(&scan->files[i]);
  look_again(scan, rehash_bytes_max);
  find_places(scan);
}
