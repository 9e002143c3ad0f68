/* server/process_facts.c — what the kernel knows of this process — does not know what it does. */
#include "server/process_facts.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t process_descriptors(void) {
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

int64_t process_descriptors_max(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return -1;
  return (int64_t)limit.rlim_cur;
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

static double seconds_of(const struct timeval *time) {
  return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* The second number of proc_pid_statm(5), in pages. */
static int64_t resident_bytes(void) {
  char text[256];
  if (!read_text("/proc/self/statm", text, sizeof text)) return -1;
  const char *place = skip_words(text, 1);
  return place ? (int64_t)strtoll(place, NULL, 10) * sysconf(_SC_PAGESIZE) : -1;
}

void process_facts_read(struct process_facts *out) {
  struct rusage usage;
  *out = (struct process_facts){.started_s = started_s(),
                                .resident_bytes = resident_bytes(),
                                .descriptors = process_descriptors(),
                                .descriptors_max = process_descriptors_max()};
  if (getrusage(RUSAGE_SELF, &usage) < 0) return;
  out->cpu_s = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}
