/* server/paths.c — from the command line's paths to script files. Knows the file system only. */
#include "server/paths.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_HINT_BYTES = 512 };

static void complain(struct log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct log *log, const char *format, ...) {
  char text[1024];
  va_list arguments;
  if (!log) return;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  log_printf(log, LOG_ERROR, "%s", text);
}

/* Takes over `file`, which may be NULL for "memory is out". */
static int paths_append(struct script_paths *paths, char *file, struct log *log) {
  char **files = file ? realloc(paths->files, (paths->count + 1) * sizeof *files) : NULL;
  if (!files) {
    free(file);
    complain(log, "not enough memory");
    return -1;
  }
  paths->files = files;
  paths->files[paths->count++] = file;
  return 0;
}

bool script_paths_is_script(const char *name) {
  const char *dot = strrchr(name, '.');
  return name[0] != '.' && dot && strcmp(dot, ".lua") == 0;
}

static int paths_is_script(const struct dirent *entry) {
  return script_paths_is_script(entry->d_name);
}

/* With one slash, as the path by which a script beside it is required; the caller frees it. NULL: out of
 * memory. */
static char *join(const char *directory, const char *name) {
  char *file = NULL;
  size_t size = strlen(directory);
  while (size > 0 && directory[size - 1] == '/') size--;
  return asprintf(&file, "%.*s/%s", (int)size, directory, name) < 0 ? NULL : file;
}

static int paths_is_shown(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

/* The first script in `directory`, or in one of those in it where `depth` is 1; NULL: there is none. */
static char *first_script(const char *directory, int depth) {
  struct dirent **entries;
  char *found = NULL;
  int count = scandir(directory, &entries, depth ? paths_is_shown : paths_is_script, alphasort);
  for (int i = 0; i < count; i++) {
    char *path = found ? NULL : join(directory, entries[i]->d_name);
    if (path && depth) {
      found = first_script(path, depth - 1);
      free(path);
    } else if (path) {
      found = path;
    }
    free(entries[i]);
  }
  if (count >= 0) free(entries);
  return found;
}

bool script_paths_deeper(const char *const *given, size_t given_count, char *out, size_t size) {
  for (size_t i = 0; i < given_count; i++) {
    char *found = first_script(given[i], 1);
    if (!found) continue;
    snprintf(out, size, "; %s is not looked for: serve the directory that it is in", found);
    free(found);
    return true;
  }
  *out = '\0';
  return false;
}

static int find_in_directory(struct script_paths *paths, const char *directory, bool may_be_empty,
                             struct log *log) {
  struct dirent **entries;
  int count = scandir(directory, &entries, paths_is_script, alphasort);
  if (count < 0) {
    if (file_error_is_passing(errno)) paths->shortage = errno;
    complain(log, "%s: cannot be read: %s", directory, strerror(errno));
    return -1;
  }
  int rc = 0;
  for (int i = 0; i < count; i++) {
    if (paths_append(paths, join(directory, entries[i]->d_name), log) < 0) rc = -1;
    free(entries[i]);
  }
  free(entries);
  if (count == 0 && !may_be_empty) {
    char deeper[PATH_HINT_BYTES];
    script_paths_deeper(&directory, 1, deeper, sizeof deeper);
    complain(log, "%s: has no *.lua file: put a script there, or name one%s", directory, deeper);
    rc = -1;
  }
  return rc;
}

static int paths_find(struct script_paths *paths, const char *given, bool may_be_empty,
                      struct log *log) {
  struct stat status;
  if (stat(given, &status) < 0) {
    if (file_error_is_passing(errno)) paths->shortage = errno;
    const char *advice = errno == ENOENT ? ": check the path" : "";
    complain(log, "%s: %s%s", given, strerror(errno), advice);
    return -1;
  }
  if (S_ISDIR(status.st_mode)) {
    return find_in_directory(paths, given, may_be_empty, log);
  }
  return paths_append(paths, strdup(given), log);
}

int script_paths_find(struct script_paths *paths, const char *const *given, size_t given_count,
                      const char *welcome, bool may_be_empty, struct log *log) {
  int rc = 0;
  *paths = (struct script_paths){0};
  for (size_t i = 0; i < given_count; i++) {
    if (paths_find(paths, given[i], welcome || may_be_empty, log) < 0) rc = -1;
  }
  if (rc == 0 && paths->count == 0 && welcome) rc = paths_append(paths, strdup(welcome), log);
  return rc;
}

void script_paths_deinit(struct script_paths *paths) {
  for (size_t i = 0; i < paths->count; i++) free(paths->files[i]);
  free(paths->files);
}
