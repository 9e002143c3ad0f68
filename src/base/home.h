/* base/home.h — where and how the process was started: its directory, umask, environment and locale. They are
 * the whole process's, and a module in C that a script loads may change them; what the server does by a path
 * goes by what they were. */
#pragma once

#include <sys/types.h>

struct home; /* opaque; every function takes NULL for "whatever they are now" */

/* As they are now. From here on this thread has a locale of its own, "C", which setlocale() does not change.
 * NULL when descriptors or memory are out. */
struct home *home_new(void);
void home_free(struct home *home);
/* The directory, absolute; NULL: it has no path any more. */
const char *home_path(const struct home *home);
char **home_environment(const struct home *home);

/* What home_enter() found. */
struct home_visit {
  int directory; /* where it was, a descriptor; -1: here, or it cannot be told */
  mode_t mask;
};
/* Relative paths and new files are as at the start, until home_leave(): then they are as they were found,
 * unless what ran meanwhile has changed them. */
void home_enter(const struct home *home, struct home_visit *out);
void home_leave(const struct home *home, const struct home_visit *visit);
