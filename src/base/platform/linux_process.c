/* base/platform/linux_process.c — base/platform.h on Linux: processes, as /proc and prctl(2) have them. */
#include "base/platform.h"
#include "base/processors.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char own_image[] = "/proc/self/exe";

static bool is_descriptor(const char *path) {
  return strncmp(path, "/dev/fd/", strlen("/dev/fd/")) == 0 ||
         strncmp(path, "/proc/self/fd/", strlen("/proc/self/fd/")) == 0;
}

bool platform_find_program(char *out, size_t size) {
  static const char deleted[] = " (deleted)";
  const char *given = (const char *)getauxval(AT_EXECFN); /* as execve(2) was told */
  if (given && !is_descriptor(given)) {
    snprintf(out, size, "%s%s", strchr(given, '/') ? "" : "./", given);
    return true;
  }
  ssize_t length = readlink(own_image, out, size - 1);
  if (length < 0) return false;
  out[length] = '\0';
  char *end = strstr(out, deleted);
  if (end) *end = '\0';
  return true;
}

const char *platform_own_image(void) {
  return own_image;
}

int platform_end_with_parent(int number) {
  return prctl(PR_SET_PDEATHSIG, number);
}

void platform_adopt_orphans(void) {
  (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void platform_prefer_as_victim(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t put = write(fd, "1000", 4);
  (void)put; /* without it the kernel may choose another: no worse than before */
  close(fd);
}

/* --- Facts --------------------------------------------------------------------------------------- */

int64_t platform_descriptors(void) {
  struct stat status;
  /* Linux tells the number as the size since 6.2; before, one has to count. */
  if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return status.st_size;
  DIR *directory = opendir("/proc/self/fd");
  if (!directory) return -1;
  int64_t count = -3; /* ".", ".." and that of the directory itself */
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

/* The text of a small file; false where it cannot be read. */
static bool read_text(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "r");
  if (!file) return false;
  const size_t got = fread(text, 1, size - 1, file);
  fclose(file);
  text[got] = 0;
  return got > 0;
}

/* Behind so many blanks; NULL: there are less. */
static const char *skip_words(const char *place, int count) {
  for (int i = 0; place && i < count; i++) place = strchr(place + 1, ' ');
  return place;
}

/* Field 22 of proc_pid_stat(5), in ticks since the machine began; behind the name, which may contain
 * anything. */
static double started_s(void) {
  enum { FIELDS_BEFORE = 20 };
  char text[1024];
  struct timespec since_boot, since_1970;
  if (!read_text("/proc/self/stat", text, sizeof text)) return 0;
  const char *place = skip_words(strrchr(text, ')'), FIELDS_BEFORE);
  const unsigned long long ticks = place ? strtoull(place, NULL, 10) : 0;
  if (ticks == 0) return 0;
  if (clock_gettime(CLOCK_BOOTTIME, &since_boot) < 0) return 0;
  if (clock_gettime(CLOCK_REALTIME, &since_1970) < 0) return 0;
  const double booted_s = (double)(since_1970.tv_sec - since_boot.tv_sec) +
                          (double)(since_1970.tv_nsec - since_boot.tv_nsec) / 1e9;
  return booted_s + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* The second number of proc_pid_statm(5), in pages. */
static int64_t resident_bytes(void) {
  char text[256];
  if (!read_text("/proc/self/statm", text, sizeof text)) return -1;
  const char *place = skip_words(text, 1);
  return place ? (int64_t)strtoll(place, NULL, 10) * sysconf(_SC_PAGESIZE) : -1;
}

void platform_facts_read(struct platform_facts *out) {
  *out = (struct platform_facts){.started_s = started_s(), .resident_bytes = resident_bytes()};
}

unsigned processors_usable(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) < 0) return 1; /* more than 1,024 of them */
  return processors_quota("", (unsigned)CPU_COUNT(&set));
}
