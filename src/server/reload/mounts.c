/* server/reload/mounts.c — which mount a path is on, after the kernel's list of them, as Linux has it. */
#include "server/reload/mounts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mounts {
  char *text; /* the fields point into it */
  struct mount *list;
  size_t count;
};

/* The next field of a line, which it ends with a NUL; NULL when there is none. */
static char *next_field(char **cursor) {
  char *field = *cursor + strspn(*cursor, " ");
  if (*field == '\0') return NULL;
  *cursor = field + strcspn(field, " ");
  if (**cursor != '\0') *(*cursor)++ = '\0';
  return field;
}

static bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

/* The kernel writes blanks, tabs, line ends and backslashes as \040 and the like. */
static char *unescape(char *text) {
  char *out = text;
  for (const char *in = text; *in != '\0';) {
    if (in[0] == '\\' && is_octal(in[1]) && is_octal(in[2]) && is_octal(in[3])) {
      *out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
      in += 4;
    } else {
      *out++ = *in++;
    }
  }
  *out = '\0';
  return text;
}

/* "36 35 98:0 /of /at rw,noatime master:1 - ext4 /dev/sda1 rw": of the fields before "-" there are
 * six, and then any number. */
static bool parse_line(char *line, struct mount *mount) {
  char *fields[6];
  for (int i = 0; i < 6; i++) {
    fields[i] = next_field(&line);
    if (!fields[i]) return false;
  }
  char *field = next_field(&line);
  while (field && strcmp(field, "-") != 0) field = next_field(&line);
  char *type = field ? next_field(&line) : NULL;
  char *source = type ? next_field(&line) : NULL;
  if (!source || fields[4][0] != '/') return false;
  *mount = (struct mount){.id = (int)strtol(fields[0], NULL, 10),
                          .parent = (int)strtol(fields[1], NULL, 10),
                          .root = unescape(fields[3]),
                          .point = unescape(fields[4]),
                          .type = unescape(type),
                          .source = unescape(source)};
  return true;
}

static size_t count_lines(const char *text) {
  size_t lines = 1;
  for (const char *c = strchr(text, '\n'); c; c = strchr(c + 1, '\n')) lines++;
  return lines;
}

/* Takes over `text`. */
static struct mounts *parse(char *text) {
  struct mounts *mounts = calloc(1, sizeof *mounts);
  struct mount *list = calloc(count_lines(text), sizeof *list);
  if (!mounts || !list) {
    free(mounts);
    free(list);
    free(text);
    return NULL;
  }
  mounts->text = text;
  mounts->list = list;
  for (char *line = text, *end; line; line = end) {
    end = strchr(line, '\n');
    if (end) *end++ = '\0';
    if (parse_line(line, &list[mounts->count])) mounts->count++;
  }
  return mounts;
}

struct mounts *mounts_parse(const char *text) {
  char *copy = strdup(text);
  return copy ? parse(copy) : NULL;
}

struct mounts *mounts_read(const char *mountinfo_path) {
  FILE *file = mountinfo_path ? fopen(mountinfo_path, "re") : NULL;
  if (!file) return NULL;
  char *text = NULL;
  size_t capacity = 0;
  ssize_t size = getdelim(&text, &capacity, '\0', file); /* it holds no NUL: all of it */
  fclose(file);
  if (size >= 0) return parse(text);
  free(text);
  return NULL;
}

void mounts_free(struct mounts *mounts) {
  free(mounts->text);
  free(mounts->list);
  free(mounts);
}

static bool is_at_or_below(const char *path, const char *point) {
  size_t size = strlen(point);
  if (size > 0 && point[size - 1] == '/') size--;
  return strncmp(path, point, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool is_listed(const struct mounts *mounts, int id) {
  for (size_t i = 0; i < mounts->count; i++) {
    if (mounts->list[i].id == id) return true;
  }
  return false;
}

static bool is_child(const struct mounts *mounts, const struct mount *mount,
                     const struct mount *parent) {
  if (mount == parent) return false;
  return parent ? mount->parent == parent->id
                : mount->parent == mount->id || !is_listed(mounts, mount->parent);
}

/* As the kernel walks: from the root down, at each mount into what is mounted on it first on the
 * way. The longest prefix, or the last line, would find mounts that others hide. */
const struct mount *mounts_find(const struct mounts *mounts, const char *path) {
  const struct mount *at = NULL;
  /* Each step goes one mount deeper; a text that is no tree must not hold us up for ever. */
  for (size_t depth = 0; depth <= mounts->count; depth++) {
    const struct mount *next = NULL;
    for (size_t i = 0; i < mounts->count; i++) {
      const struct mount *mount = &mounts->list[i];
      if (!is_at_or_below(path, mount->point) || !is_child(mounts, mount, at)) continue;
      if (!next || strlen(mount->point) <= strlen(next->point)) next = mount;
    }
    if (!next) return at;
    at = next;
  }
  return at;
}

void mounts_each_below(const struct mounts *mounts, const char *path,
                       void (*visit)(void *context, const struct mount *mount), void *context) {
  for (size_t i = 0; i < mounts->count; i++) {
    const struct mount *mount = &mounts->list[i];
    bool is_below = is_at_or_below(mount->point, path) && strcmp(mount->point, path) != 0;
    if (is_below && mounts_find(mounts, mount->point) == mount) visit(context, mount);
  }
}
