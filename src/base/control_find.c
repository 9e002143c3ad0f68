/* base/control_find.c — which servers of this user answer, of those that may be at a place. Asks them
 * nothing. */
#include "base/control_find.h"

#include "base/control_peer.h"
#include "base/platform.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool answers(const struct control_address *address, bool named, long *pid) {
  char ignored[CONTROL_MESSAGE_BYTES];
  int fd = platform_socket(AF_UNIX, SOCK_STREAM, false);
  bool found =
      fd >= 0 && connect(fd, (const struct sockaddr *)&address->sockaddr, address->size) == 0;
  *pid = -1;
  if (found) {
    found = control_is_trusted(fd, address->text, named, pid, ignored);
  } else if (fd >= 0) {
    found = errno == EAGAIN;
  }
  if (fd >= 0) close(fd);
  return found;
}

/* The kernel tells a process of another PID namespace as 0. */
static int drop_those_elsewhere(struct control_found *found, int count) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    if (found[i].pid != 0) found[kept++] = found[i];
  }
  return kept > 0 ? kept : count;
}

int control_find(const struct control_address *first, bool named,
                 struct control_found out[CONTROL_PLACES]) {
  int count = 0;
  struct control_address place;
  for (int number = 1; control_address_place(first, number, &place); number++) {
    long pid;
    if (!answers(&place, named, &pid)) continue;
    out[count++] = (struct control_found){place, pid};
  }
  return first->is_exact ? count : drop_those_elsewhere(out, count);
}

static void list(const struct control_found *found, int count, char *out, size_t size) {
  size_t used = (size_t)snprintf(out, size, "%d servers run here: ", count);
  for (int i = 0; i < count && used < size; i++) {
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", found[i].address.text);
    if (found[i].pid <= 0 || used >= size) continue;
    used += (size_t)snprintf(out + used, size - used, " (pid %ld)", found[i].pid);
  }
  if (used < size) snprintf(out + used, size - used, "; say which one with --control");
}

bool control_choose(struct control_address *first, bool named, char *out, size_t size) {
  struct control_found found[CONTROL_PLACES];
  int count = control_find(first, named, found);
  if (count == 1) *first = found[0].address;
  if (count > 1) list(found, count, out, size);
  return count <= 1;
}
