/* server/process_facts.c — what the kernel knows of this process — does not know what it does. */
#include "server/process_facts.h"

#include <dirent.h>
#include <stdio.h>
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

/* Field 22 of proc_pid_stat(5), in ticks since the machine began; behind the name, which may contain
 * anything. */
static double started_s(void) {
  enum { FIELDS_BEFORE = 20 };
  char text[1024];
  struct timespec since_boot, since_1970;
  FILE *file = fopen("/proc/self/stat", "r");
  if (!file) return 0;
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = 0;
  const char *place = strrchr(text, ')');
  for (int i = 0; place && i < FIELDS_BEFORE; i++) place = strchr(place + 1, ' ');
  unsigned long long ticks = 0;
  if (!place || sscanf(place, "%llu", &ticks) != 1) return 0;
  if (clock_gettime(CLOCK_BOOTTIME, &since_boot) < 0) return 0;
  if (clock_gettime(CLOCK_REALTIME, &since_1970) < 0) return 0;
  const double booted_s = (double)(since_1970.tv_sec - since_boot.tv_sec) +
                          (double)(since_1970.tv_nsec - since_boot.tv_nsec) / 1e9;
  return booted_s + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double seconds_of(const struct timeval *time) {
  return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static int64_t resident_bytes(void) {
  long long pages = -1;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return -1;
  if (fscanf(file, "%*d %lld", &pages) != 1) pages = -1;
  fclose(file);
  return pages < 0 ? -1 : (int64_t)pages * sysconf(_SC_PAGESIZE);
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
