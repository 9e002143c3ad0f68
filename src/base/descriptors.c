/* base/descriptors.c — how many descriptors this process may have. Opens none. */
#include "base/descriptors.h"

#include <stdint.h>
#include <sys/resource.h>

/* Without a need for more. */
enum { SOFT_LIMIT_MIN = 65536 };

size_t descriptors_raise(size_t connections) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return SIZE_MAX;
  rlim_t wanted = 2 * (rlim_t)connections + DESCRIPTORS_RESERVE;
  if (wanted < SOFT_LIMIT_MIN) wanted = SOFT_LIMIT_MIN;
  if (wanted > limit.rlim_max) { /* RLIM_INFINITY is the greatest */
    wanted = limit.rlim_max;
  }
  const struct rlimit raised = {.rlim_cur = wanted, .rlim_max = limit.rlim_max};
  if (wanted > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = wanted;
  return limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur;
}
