/* cli/console_history.c — the lines of earlier consoles: a file of lines — does not know who edits.
 *
 * Lines are appended one at a time, so that two consoles at once lose none of each other's. Nobody
 * but its owner may read it: what was sent to a peer may be a password. A console that cannot keep
 * its history works like any other. */
#include "cli/console.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE_MAX 4096
#define LINES_MAX 1000
/* Beyond it the file is cut down to its last LINES_MAX lines. */
#define FILE_BYTES_MAX 262144

/* False: there is no place for it. */
static bool find_path(char path[PATH_SIZE_MAX]) {
  const char *state = getenv("XDG_STATE_HOME");
  const char *home = getenv("HOME");
  int size = -1;
  if (state != NULL && *state == '/') {
    size = snprintf(path, PATH_SIZE_MAX, "%s/moonport_history", state);
  } else if (home != NULL && *home == '/') {
    size = snprintf(path, PATH_SIZE_MAX, "%s/.moonport_history", home);
  }
  return size > 0 && size < PATH_SIZE_MAX;
}

/* The last LINES_MAX lines of a file, in memory. */
struct lines {
  char *texts[LINES_MAX];
  size_t count; /* of all that were read */
};

static void read_lines(FILE *file, struct lines *lines) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t size = 0;
  while ((size = getline(&line, &capacity, file)) > 0) {
    if (line[size - 1] == '\n') {
      line[size - 1] = '\0';
    }
    char **place = &lines->texts[lines->count % LINES_MAX];
    free(*place);
    *place = line;
    lines->count++;
    line = NULL;
    capacity = 0;
  }
  free(line);
}

/* Calls `each` for each line, oldest first. */
static void tell_lines(const struct lines *lines, void (*each)(void *context, const char *line),
                       void *context) {
  size_t first = lines->count > LINES_MAX ? lines->count - LINES_MAX : 0;
  for (size_t i = first; i < lines->count; i++) {
    each(context, lines->texts[i % LINES_MAX]);
  }
}

static void free_lines(struct lines *lines) {
  for (size_t i = 0; i < LINES_MAX; i++) {
    free(lines->texts[i]);
  }
  free(lines);
}

static void put_line(void *context, const char *line) {
  (void)fprintf(context, "%s\n", line);
}

/* In a file of its own first: another console may append meanwhile, and loses a line at worst. */
static void cut_down(const char *path, const struct lines *lines) {
  char other[PATH_SIZE_MAX + 8];
  (void)snprintf(other, sizeof other, "%s.new", path);
  int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (file == NULL) {
    return;
  }
  tell_lines(lines, put_line, file);
  bool written = fflush(file) == 0;
  (void)fclose(file);
  if (!written || rename(other, path) != 0) {
    (void)unlink(other);
  }
}

void console_history_each(void (*each)(void *context, const char *line), void *context) {
  char path[PATH_SIZE_MAX];
  FILE *file = find_path(path) ? fopen(path, "re") : NULL;
  struct lines *lines = calloc(1, sizeof *lines);
  struct stat status;
  if (file != NULL && lines != NULL) {
    read_lines(file, lines);
    tell_lines(lines, each, context);
    if (fstat(fileno(file), &status) == 0 && status.st_size > FILE_BYTES_MAX) {
      cut_down(path, lines);
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  if (lines != NULL) {
    free_lines(lines);
  }
}

void console_history_add(const char *line) {
  char path[PATH_SIZE_MAX];
  int fd = -1;
  if (find_path(path)) {
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  }
  if (fd < 0) {
    return;
  }
  FILE *file = fdopen(fd, "a");
  if (file == NULL) {
    (void)close(fd);
    return;
  }
  put_line(file, line);
  (void)fclose(file); /* one write() of the whole line */
}
