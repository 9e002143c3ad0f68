/* server/reload/trail.c — the directories that a path leads through. Knows the file system only.
 *
 * A Kubernetes volume is the reason for the care: echo.lua -> ..data/echo.lua, ..data -> ..2026_1,
 * and a change is a rename over ..data. Events of the directory in which echo.lua really is would
 * not tell. */
#include "server/reload/trail.h"

#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct trail {
  char at[PATH_MAX];   /* the directory reached so far, without links; "" is the working one */
  char rest[PATH_MAX]; /* what is still to go */
  char name[NAME_MAX + 1];
  int links;
  bool is_cut; /* a call failed for a reason that is not the path's (base/file.h) */
};

static const char *directory_of(const struct trail *trail) {
  return trail->at[0] != '\0' ? trail->at : ".";
}

/* Takes the first name off the rest. False when there is none, or it is longer than any can be. */
static bool next_name(struct trail *trail) {
  const char *start = trail->rest + strspn(trail->rest, "/");
  size_t size = strcspn(start, "/");
  if (size == 0 || size > NAME_MAX) return false;
  memcpy(trail->name, start, size);
  trail->name[size] = '\0';
  memmove(trail->rest, start + size, strlen(start + size) + 1);
  return true;
}

static bool is_last(const struct trail *trail) {
  return trail->rest[strspn(trail->rest, "/")] == '\0';
}

/* AT/NAME; false when that is longer than a path may be. */
static bool join(const struct trail *trail, char *out, size_t out_size) {
  size_t size = strlen(trail->at);
  const char *slash = size == 0 || trail->at[size - 1] == '/' ? "" : "/";
  int length = snprintf(out, out_size, "%s%s%s", trail->at, slash, trail->name);
  return length > 0 && (size_t)length < out_size;
}

static bool enter(struct trail *trail) {
  char joined[PATH_MAX];
  if (!join(trail, joined, sizeof joined)) return false;
  memcpy(trail->at, joined, strlen(joined) + 1);
  return true;
}

/* AT holds no links, so its parent is what its text says; unless it has no more names. */
static bool enter_parent(struct trail *trail) {
  char *slash = strrchr(trail->at, '/');
  const char *last = slash ? slash + 1 : trail->at;
  if (strcmp(trail->at, "/") == 0) return true;
  if (last[0] == '\0' || strcmp(last, "..") == 0) return enter(trail);
  if (slash == trail->at) {
    trail->at[1] = '\0';
  } else {
    *(slash ? slash : trail->at) = '\0';
  }
  return true;
}

/* Puts what the link holds in front of the rest. */
static bool follow_link(struct trail *trail, const char *link) {
  char target[PATH_MAX];
  char rest[PATH_MAX];
  ssize_t size = readlink(link, target, sizeof target - 1);
  if (size < 0 && file_error_is_passing(errno)) trail->is_cut = true;
  if (size <= 0 || trail->links++ >= TRAIL_LINKS_MAX) return false;
  target[size] = '\0';
  int length = snprintf(rest, sizeof rest, "%s/%s", target, trail->rest);
  if (length < 0 || (size_t)length >= sizeof rest) return false;
  memcpy(trail->rest, rest, (size_t)length + 1);
  if (target[0] == '/') memcpy(trail->at, "/", 2);
  return true;
}

/* One name further. False at the end of the trail. */
static bool step(struct trail *trail, void (*each)(void *, const char *, const char *),
                 void *context) {
  char path[PATH_MAX];
  struct stat status;
  if (!next_name(trail)) return false;
  if (strcmp(trail->name, ".") == 0) return true;
  if (strcmp(trail->name, "..") == 0) return enter_parent(trail);
  if (!join(trail, path, sizeof path)) return false;
  bool known = lstat(path, &status) == 0;
  if (!known && file_error_is_passing(errno)) trail->is_cut = true;
  if (known && S_ISDIR(status.st_mode) && !is_last(trail)) return enter(trail);
  each(context, directory_of(trail), trail->name);
  return known && S_ISLNK(status.st_mode) && follow_link(trail, path);
}

bool trail_follow(const char *path, void (*each)(void *, const char *, const char *),
                  void *context) {
  struct trail trail = {0};
  size_t size = strlen(path);
  if (size >= sizeof trail.rest) return true;
  memcpy(trail.rest, path, size + 1);
  if (path[0] == '/') memcpy(trail.at, "/", 2);
  while (step(&trail, each, context)) {
  }
  return !trail.is_cut;
}
