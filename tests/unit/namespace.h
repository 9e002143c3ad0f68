/* namespace.h — namespaces of the test program's own, also for those who are not root. */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a test cannot do without. */
#define MUST(call)                                                                                 \
  do {                                                                                             \
    if ((call) < 0) {                                                                              \
      perror(#call);                                                                               \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

static inline void namespace_write(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  MUST(fd);
  MUST(write(fd, text, strlen(text)));
  close(fd);
}

/* A user namespace, in which we are root, together with those that `flags` (CLONE_NEW*) name. */
static inline void namespace_enter(int flags) {
  char user_map[32];
  char group_map[32];
  snprintf(user_map, sizeof user_map, "0 %d 1", (int)geteuid());
  snprintf(group_map, sizeof group_map, "0 %d 1", (int)getegid());
  MUST(unshare(CLONE_NEWUSER | flags));
  namespace_write("/proc/self/setgroups", "deny"); /* or else the next but one is refused */
  namespace_write("/proc/self/uid_map", user_map);
  namespace_write("/proc/self/gid_map", group_map);
}
