/* base/instance.h — a directory of one server's own, while it runs: what its processes share lives there.
 *
 * In memory (/dev/shm), or where the user's programs have such things. A lock on it (flock(2)) ends with
 * the last of the processes, so that the next server can tell one that was left behind, and removes it. */
#pragma once

struct instance; /* opaque */

/* Makes one, mode 0700, after those that were left behind are removed. NULL when there is none to be had. */
struct instance *instance_new(void);
const char *instance_path(const struct instance *instance);
/* Removes it, with the files in it, in the process that made it; in a child of it, only forgets it.
 * `instance` may be NULL. */
void instance_free(struct instance *instance);
