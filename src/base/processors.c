/* base/processors.c — how many processors the cgroup of this process grants it, on Linux.
 *
 * Both versions of cgroups are read where they are mounted by custom: version 2 at /sys/fs/cgroup, version 1
 * at /sys/fs/cgroup/cpu. In a container the own group is what is mounted there, and the path that
 * /proc/self/cgroup tells may lead nowhere: the root is looked at in any case. */
#include "base/processors.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = PATH_MAX + 64 };

static bool read_line(const char *path, char out[LINE_BYTES]) {
  FILE *file = fopen(path, "re");
  bool has = file && fgets(out, LINE_BYTES, file);
  if (file) fclose(file);
  return has;
}

static void bound(unsigned *most, int64_t quota_us, int64_t period_us) {
  if (quota_us <= 0 || period_us <= 0) return; /* there is none */
  const int64_t count = (quota_us + period_us - 1) / period_us;
  if (count < (int64_t)*most) *most = (unsigned)count;
}

/* "150000 100000", "max 100000" */
static void bound_by_v2(unsigned *most, const char *directory) {
  char path[LINE_BYTES + 16], line[LINE_BYTES];
  char *quota_end, *period_end;
  snprintf(path, sizeof path, "%s/cpu.max", directory);
  if (!read_line(path, line)) return;
  const int64_t quota_us = strtoll(line, &quota_end, 10);
  const int64_t period_us = strtoll(quota_end, &period_end, 10);
  if (quota_end > line && period_end > quota_end) bound(most, quota_us, period_us);
}

static void bound_by_v1(unsigned *most, const char *directory) {
  static const char *const names[] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
  char path[LINE_BYTES + 32], line[LINE_BYTES];
  int64_t values[2] = {0, 0};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", directory, names[i]);
    char *end;
    if (!read_line(path, line)) return;
    values[i] = strtoll(line, &end, 10);
    if (end == line) return;
  }
  bound(most, values[0], values[1]);
}

/* The group and those above it: each may have a quota. */
static void bound_upwards(unsigned *most, const char *mount, const char *group,
                          void (*bound_by)(unsigned *most, const char *directory)) {
  char directory[LINE_BYTES];
  int length = snprintf(directory, sizeof directory, "%s%s", mount, group);
  if (length < 0 || (size_t)length >= sizeof directory) return;
  const size_t root = strlen(mount);
  for (;;) {
    bound_by(most, directory);
    char *slash = strrchr(directory, '/');
    if (!slash || strlen(directory) <= root || slash < directory + root) return;
    *slash = '\0';
  }
}

/* "4:cpu,cpuacct:/a/b" */
static bool has_cpu(const char *controllers) {
  for (const char *next = controllers; next; next = strchr(next, ',')) {
    if (*next == ',') next++;
    size_t size = strcspn(next, ",");
    if (size == 3 && strncmp(next, "cpu", size) == 0) return true;
  }
  return false;
}

static void bound_by_line(unsigned *most, const char *root, char *line) {
  char mount[PATH_MAX];
  line[strcspn(line, "\n")] = '\0';
  char *controllers = strchr(line, ':');
  char *group = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!group) return;
  *controllers++ = *group++ = '\0';
  if (strcmp(group, "/") == 0) group = "";
  if (!*controllers) {
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    bound_upwards(most, mount, group, bound_by_v2);
  } else if (has_cpu(controllers)) {
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
    bound_upwards(most, mount, group, bound_by_v1);
  }
}

unsigned processors_quota(const char *root, unsigned most) {
  char path[PATH_MAX], line[LINE_BYTES];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file)) bound_by_line(&most, root, line);
  if (file) fclose(file);
  return most > 0 ? most : 1;
}
