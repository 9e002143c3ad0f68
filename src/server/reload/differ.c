/* server/reload/differ.c — what a scan found that its owner was not told yet. Knows neither loop nor files.
 */
#include "server/reload/differ.h"

#include "server/reload/scan.h"

#include <string.h>

/* Whether it has been missing long enough; notes since when it is. */
static bool is_gone(const struct scan *scan, struct scan_file *file, uint64_t now_ms) {
  const struct scan_directory *directory = scan_directory_of(scan, file->path);
  if (directory && directory->error != 0) {
    file->missing_since_ms = 0;
    return false; /* the directory is what is missing */
  }
  if (file->missing_since_ms == 0) file->missing_since_ms = now_ms;
  return now_ms - file->missing_since_ms >= WATCH_GONE_MS;
}

/* Whether there is something to tell of the file. */
static bool file_differs(const struct scan *scan, struct scan_file *file, uint64_t now_ms) {
  if (file->now.state == FILE_UNKNOWN) return false; /* nothing could be told of it yet */
  if (file->now.state != FILE_ABSENT) file->missing_since_ms = 0;
  if (file->known.state == FILE_UNKNOWN && !file->listed) file->known = file->now;
  if (file_print_equal(file->now, file->known)) return false;
  return file->now.state != FILE_ABSENT || is_gone(scan, file, now_ms);
}

static enum watch_kind kind_of(const struct scan_file *file) {
  if (file->now.state == FILE_ABSENT) return WATCH_VANISHED;
  bool was_there = file->known.state == FILE_READ || file->known.state == FILE_UNREADABLE;
  return was_there ? WATCH_CHANGED : WATCH_APPEARED;
}

static size_t collect_directories(struct scan *scan, bool telling, struct watch_item *items) {
  size_t count = 0;
  for (size_t i = 0; i < scan->directory_count; i++) {
    struct scan_directory *directory = &scan->directories[i];
    if ((directory->error == 0) == (directory->error_known == 0)) continue;
    enum watch_kind kind = directory->error == 0 ? WATCH_APPEARED : WATCH_VANISHED;
    items[count++] = (struct watch_item){directory->path, kind, .is_directory = true};
    if (telling) directory->error_known = directory->error;
  }
  return count;
}

size_t differ_collect(struct scan *scan, uint64_t now_ms, bool telling, struct watch_item *items) {
  size_t count = collect_directories(scan, telling, items);
  const char *last = "";
  for (size_t i = 0; i < scan->file_count; i++) {
    struct scan_file *file = &scan->files[i];
    if (!file_differs(scan, file, now_ms)) continue;
    /* A file may be there twice, when two scripts read different contents of it. */
    if (strcmp(last, file->path) != 0) {
      items[count++] = (struct watch_item){file->path, kind_of(file), .is_directory = false};
    }
    last = file->path;
    if (telling) file->known = file->now;
  }
  return count;
}

bool differ_is_missing_some(const struct scan *scan) {
  for (size_t i = 0; i < scan->file_count; i++) {
    const struct scan_file *file = &scan->files[i];
    if (file->missing_since_ms != 0 && file->known.state != FILE_ABSENT) return true;
  }
  return false;
}

void differ_forget_gone(struct scan *scan) {
  for (size_t i = scan->file_count; i-- > 0;) {
    const struct scan_file *file = &scan->files[i];
    bool is_absent = file->now.state == FILE_ABSENT;
    bool was_told = file->known.state == FILE_ABSENT || file->known.state == FILE_UNKNOWN;
    if (file->listed && is_absent && was_told) scan_forget(scan, i);
  }
}

/* What could not be read, as was told: to be missed by another load is no news. */
static const struct scan_file *find_unread(const struct scan *scan, const char *path) {
  const struct scan_file *file = scan_find(scan, path, NULL);
  bool is_unread =
      file && (file->known.state == FILE_ABSENT || file->known.state == FILE_UNREADABLE);
  return is_unread ? file : NULL;
}

static void inherit_files(struct scan *scan, const struct scan *from) {
  for (size_t i = 0; i < scan->file_count; i++) {
    struct scan_file *file = &scan->files[i];
    bool unsaid = file->loaded.state == FILE_UNKNOWN;
    const struct scan_file *old = scan_find(from, file->path, unsaid ? NULL : &file->loaded);
    if (!old && file->loaded.state == FILE_ABSENT) old = find_unread(from, file->path);
    if (!old) continue;
    file->known = old->known;
    file->missing_since_ms = old->missing_since_ms;
  }
}

static void inherit_listed(struct scan *scan, const struct scan *from) {
  for (size_t i = 0; i < from->file_count; i++) {
    const struct scan_file *old = &from->files[i];
    if (!old->listed || scan_find(scan, old->path, NULL)) continue;
    if (!scan_directory_of(scan, old->path)) continue;
    struct scan_file *added = scan_add_file(scan, old->path);
    if (!added) return; /* out of memory: they appear again */
    added->listed = true;
    added->known = old->known;
    added->missing_since_ms = old->missing_since_ms;
  }
  scan_sort(scan);
}

void differ_inherit(struct scan *scan, const struct scan *from) {
  inherit_files(scan, from);
  inherit_listed(scan, from);
  for (size_t i = 0; i < scan->directory_count; i++) {
    for (size_t j = 0; j < from->directory_count; j++) {
      bool same = strcmp(scan->directories[i].path, from->directories[j].path) == 0;
      if (same) scan->directories[i].error_known = from->directories[j].error_known;
    }
  }
}
