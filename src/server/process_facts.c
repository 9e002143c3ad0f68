/* server/process_facts.c — what the kernel knows of this process — does not know what it does. */
#include "server/process_facts.h"

#include "base/platform.h"

#include <sys/resource.h>

int64_t process_descriptors(void) {
  return platform_descriptors();
}

int64_t process_descriptors_max(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return -1;
  return (int64_t)limit.rlim_cur;
}

static double seconds_of(const struct timeval *time) {
  return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

void process_facts_read(struct process_facts *out) {
  struct rusage usage;
  struct platform_facts facts;
  platform_facts_read(&facts);
  *out = (struct process_facts){.started_s = facts.started_s,
                                .resident_bytes = facts.resident_bytes,
                                .descriptors = process_descriptors(),
                                .descriptors_max = process_descriptors_max()};
  if (getrusage(RUSAGE_SELF, &usage) < 0) return;
  out->cpu_s = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}
