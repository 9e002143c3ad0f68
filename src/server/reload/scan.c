/* server/reload/scan.c — what is at some paths now — knows the file system only. */
#include "server/reload/scan.h"

#include "base/file.h"
#include "base/platform.h"
#include "server/paths.h"
#include "vm/loader.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  READ_BYTES = 32 * 1024,       /* at a time, on the stack */
  REREAD_FILES = 4,             /* in a pass, of those that look unchanged, */
  REREAD_BYTES_MAX = 64 * 1024, /* unless one is larger: it would cost too much */
};

void scan_add(struct scan *scan, const char *path, bool is_directory, const struct digest *loaded) {
  const struct file_print unknown = {.error = PRINT_UNKNOWN};
  struct file_print print = {.error = is_directory ? PRINT_UNKNOWN : PRINT_MISSED};
  if (loaded) print = (struct file_print){.digest = *loaded};
  struct scan_entry *entries = realloc(scan->entries, (scan->count + 1) * sizeof *entries);
  struct scan_entry entry = {strdup(path), is_directory, unknown, .loaded = print, .told = print};
  if (entries) scan->entries = entries;
  if (!entries || !entry.path) scan->is_cut = true;
  if (scan->is_cut) free(entry.path);
  if (!scan->is_cut) scan->entries[scan->count++] = entry;
}

void scan_deinit(struct scan *scan) {
  for (size_t i = 0; i < scan->count; i++) free(scan->entries[i].path);
  free(scan->entries);
}

static int scan_compare(const void *left, const void *right) {
  const struct scan_entry *a = left;
  const struct scan_entry *b = right;
  if (a->is_directory != b->is_directory) return a->is_directory - b->is_directory;
  int order = strcmp(a->path, b->path);
  return order != 0 ? order : memcmp(&a->loaded, &b->loaded, sizeof a->loaded);
}

void scan_follow(struct scan *scan, struct scan *before) {
  if (scan->count > 0) qsort(scan->entries, scan->count, sizeof *scan->entries, scan_compare);
  scan->reread_next = before->reread_next;
  scan->may_hang = before->may_hang;
  for (size_t i = 0; i < scan->count && before->count > 0; i++) {
    struct scan_entry *entry = &scan->entries[i];
    const struct scan_entry *old =
        bsearch(entry, before->entries, before->count, sizeof *entry, scan_compare);
    char *path = entry->path;
    if (old) *entry = *old;
    entry->path = path;
  }
  scan_deinit(before);
}

/* With the ctime, which no program can set. */
static struct digest mark_of(const struct stat *status) {
  struct digest mark = digest_empty();
  digest_add(&mark, &status->st_dev, sizeof status->st_dev);
  digest_add(&mark, &status->st_ino, sizeof status->st_ino);
  digest_add(&mark, &status->st_size, sizeof status->st_size);
  digest_add(&mark, &status->st_mtim, sizeof status->st_mtim);
  digest_add(&mark, &status->st_ctim, sizeof status->st_ctim);
  return mark;
}

/* 0, or an errno. */
static int read_digest(int fd, struct digest *digest) {
  char bytes[READ_BYTES];
  while (digest->size <= LOADER_BYTES_MAX) {
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got == 0) return 0;
    if (got > 0) digest_add(digest, bytes, (size_t)got);
    if (got < 0 && errno != EINTR) return errno;
  }
  return EFBIG; /* it grew */
}

/* What tells nothing of what is there leaves what was known of it. */
static void note(struct scan_entry *entry, int error, struct digest digest) {
  entry->may_hang = platform_may_hang(entry->path);
  if (file_error_is_passing(error)) return;
  entry->now = (struct file_print){.error = error == ENOTDIR ? ENOENT : error};
  if (error == 0) entry->now.digest = digest;
}

static void read_file(struct scan_entry *file) {
  struct stat status;
  struct digest digest = digest_empty();
  int fd = file_open_regular(file->path, LOADER_BYTES_MAX, &status);
  int error = fd < 0 ? -fd : read_digest(fd, &digest);
  if (fd >= 0) close(fd);
  note(file, error, digest);
  /* Of before it was read: what is written from then on makes it differ. */
  if (error == 0) file->mark = mark_of(&status);
}

/* In whatever order they are listed, the same names are the same digest. */
static void read_directory(struct scan_entry *directory) {
  struct digest names = {0};
  DIR *listing = opendir(directory->path);
  if (listing) errno = 0;
  for (const struct dirent *entry; listing && (entry = readdir(listing));) {
    if (!script_paths_is_script(entry->d_name)) continue;
    struct digest name = digest_empty();
    digest_add(&name, entry->d_name, strlen(entry->d_name));
    names.hash += name.hash;
    names.size++;
  }
  note(directory, errno, names);
  if (listing) closedir(listing);
}

struct file_print scan_look(const char *path) {
  struct scan_entry file = {.path = (char *)(uintptr_t)path, .now.error = PRINT_UNKNOWN};
  read_file(&file);
  return file.now;
}

static bool looks_unchanged(const struct scan_entry *file) {
  struct stat status;
  return file->now.error == 0 && stat(file->path, &status) == 0 &&
         digest_equal(mark_of(&status), file->mark);
}

bool scan_run(struct scan *scan) {
  size_t reread = scan->reread_next < scan->count ? scan->reread_next : 0;
  bool differs = false;
  scan->is_lost = scan->may_hang = false;
  for (size_t i = 0; i < scan->count; i++) {
    struct scan_entry *entry = &scan->entries[i];
    struct file_print before = entry->now;
    bool is_its_turn = i >= reread && i < reread + REREAD_FILES;
    if (entry->is_directory) {
      read_directory(entry);
      if (entry->now.error > 0) scan->is_lost = true;
    } else if (!looks_unchanged(entry) || (is_its_turn && before.digest.size <= REREAD_BYTES_MAX)) {
      read_file(entry);
    }
    if (!file_print_equal(before, entry->now)) differs = true;
    if (entry->may_hang) scan->may_hang = true;
  }
  scan->reread_next = reread + REREAD_FILES;
  return differs;
}
