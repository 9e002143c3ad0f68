/* processors_test.c — what quotas of cgroups are read as, of either version. */
#include "check.h"

#include "base/processors.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/moonport-processors-XXXXXX";

static void make_directories(const char *path) {
  char copy[256];
  (void)snprintf(copy, sizeof copy, "%s%s", root, path);
  for (char *slash = copy + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = '\0';
    (void)mkdir(copy, 0700);
    *slash = '/';
  }
}

static void write_file(const char *path, const char *text) {
  char full[256];
  make_directories(path);
  (void)snprintf(full, sizeof full, "%s%s", root, path);
  FILE *file = fopen(full, "w");
  CHECK(file != NULL);
  if (!file) return;
  (void)fputs(text, file);
  (void)fclose(file);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status;
  (void)kind;
  (void)place;
  return remove(path);
}

static void start(void) {
  (void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  CHECK_NUMBER(mkdir(root, 0700), 0);
}

static void without_a_quota_all_are_used(void) {
  start();
  CHECK_NUMBER(processors_quota(root, 6), 6);
  write_file("/proc/self/cgroup", "0::/a\n");
  CHECK_NUMBER(processors_quota(root, 6), 6);
  write_file("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 6);
}

static void version_2_is_rounded_up(void) {
  start();
  write_file("/proc/self/cgroup", "0::/\n");
  write_file("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 2);
  write_file("/sys/fs/cgroup/cpu.max", "20000 100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 1);
  write_file("/sys/fs/cgroup/cpu.max", "900000 100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 6);
}

static void the_smallest_of_those_above_counts(void) {
  start();
  write_file("/proc/self/cgroup", "0::/a/b/c\n");
  write_file("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
  write_file("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 3);
}

/* As a container sees it whose own path is none of its mount. */
static void a_path_that_leads_nowhere_does_not_matter(void) {
  start();
  write_file("/proc/self/cgroup", "0::/docker/0123\n");
  write_file("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 2);
}

static void version_1_has_two_files(void) {
  start();
  write_file("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/a\n0::/\n");
  write_file("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "250000\n");
  write_file("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  CHECK_NUMBER(processors_quota(root, 6), 3);
  write_file("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  CHECK_NUMBER(processors_quota(root, 6), 6);
}

static void nonsense_is_no_quota(void) {
  start();
  write_file("/proc/self/cgroup", "::\n0\n\n0::/\n");
  write_file("/sys/fs/cgroup/cpu.max", "-5 0\n");
  CHECK_NUMBER(processors_quota(root, 6), 6);
  write_file("/sys/fs/cgroup/cpu.max", "");
  CHECK_NUMBER(processors_quota(root, 6), 6);
}

static void there_is_always_one(void) {
  CHECK(processors_usable() >= 1);
  CHECK_NUMBER(processors_quota("/nowhere", 0), 1);
}

static const struct check_case cases[] = {
    {"without a quota all are used", without_a_quota_all_are_used},
    {"a quota of version 2 is rounded up", version_2_is_rounded_up},
    {"of the groups above each may have one", the_smallest_of_those_above_counts},
    {"a container sees its own quota at the root", a_path_that_leads_nowhere_does_not_matter},
    {"a quota of version 1 stands in two files", version_1_has_two_files},
    {"nonsense is no quota", nonsense_is_no_quota},
    {"there is always one", there_is_always_one},
};

int main(void) {
  if (!mkdtemp(root)) return 1;
  int code = check_run(cases, sizeof cases / sizeof cases[0]);
  start();
  (void)rmdir(root);
  return code;
}
