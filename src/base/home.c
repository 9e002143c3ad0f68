/* base/home.c — where and how the process was started. Knows nobody who changes it. */
#include "base/home.h"

#include "base/platform.h"

#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct home {
  int directory;
  dev_t device; /* of that */
  ino_t inode;
  mode_t mask;
  char *path;
  char **environment;
  locale_t locale;
};

static mode_t current_mask(void) {
  mode_t mask = umask(077); /* there is no other way to ask for it */
  umask(mask);
  return mask;
}

static void free_environment(char **environment) {
  for (char **one = environment; one && *one; one++) free(*one);
  free(environment);
}

static char **copy_environment(void) {
  size_t count = 0;
  while (environ && environ[count]) count++;
  char **copy = calloc(count + 1, sizeof *copy);
  for (size_t i = 0; copy && i < count; i++) {
    copy[i] = strdup(environ[i]);
    if (copy[i]) continue;
    free_environment(copy);
    return NULL;
  }
  return copy;
}

struct home *home_new(void) {
  struct home *home = calloc(1, sizeof *home);
  struct stat status;
  if (!home) return NULL;
  home->directory = platform_open_directory(".");
  home->path = getcwd(NULL, 0);
  home->environment = copy_environment();
  home->mask = current_mask();
  if (home->directory < 0 || !home->environment || fstat(home->directory, &status) < 0) {
    home_free(home);
    return NULL;
  }
  home->device = status.st_dev;
  home->inode = status.st_ino;
  home->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (home->locale) uselocale(home->locale);
  return home;
}

void home_free(struct home *home) {
  if (!home) return;
  if (home->locale) {
    uselocale(LC_GLOBAL_LOCALE);
    freelocale(home->locale);
  }
  if (home->directory >= 0) close(home->directory);
  free_environment(home->environment);
  free(home->path);
  free(home);
}

const char *home_path(const struct home *home) {
  return home ? home->path : NULL;
}

char **home_environment(const struct home *home) {
  return home ? home->environment : environ;
}

static bool is_here(const struct home *home) {
  struct stat status;
  return stat(".", &status) == 0 && status.st_dev == home->device && status.st_ino == home->inode;
}

void home_enter(const struct home *home, struct home_visit *out) {
  *out = (struct home_visit){.directory = -1};
  if (!home) return;
  out->mask = umask(home->mask);
  if (is_here(home)) return;
  out->directory = platform_open_directory(".");
  (void)!fchdir(home->directory);
}

void home_leave(const struct home *home, const struct home_visit *visit) {
  if (!home) return;
  mode_t mask = umask(visit->mask);
  if (mask != home->mask) umask(mask);
  if (visit->directory < 0) return;
  if (is_here(home)) (void)!fchdir(visit->directory);
  close(visit->directory);
}
