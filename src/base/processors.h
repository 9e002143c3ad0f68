/* base/processors.h — how many processors this process may use. Starts nothing. */
#pragma once

/* Of those that it may run on (sched_setaffinity(2)), as many as the quota of its cgroup pays for, or of one
 * above it, rounded up: "docker run --cpus 1.5" makes 2. At least 1. */
unsigned processors_usable(void);
/* The same below another root than "", for tests: it has /proc/self/cgroup and /sys/fs/cgroup. */
unsigned processors_quota(const char *root, unsigned most);
