/* base/control_peer.c — who answers at a control socket, and why nobody does. Asks them nothing. */
#include "base/control_peer.h"

#include "base/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void control_explain(int error, const char *path, char out[CONTROL_MESSAGE_BYTES]) {
  static const struct {
    int error;
    const char *before, *after;
  } rows[] = {
      {ENOENT, "no server at ", ": start one, or say where its control socket is with --control"},
      {ECONNREFUSED, "no server at ",
       " (any more): start one, or say where its control socket is with --control"},
      {EACCES, "the socket ", " belongs to another user: ask as that user, or as root"},
      {EAGAIN, "the server at ", " accepts no connection: it is stuck, or too many ask"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].error != error) continue;
    snprintf(out, CONTROL_MESSAGE_BYTES, "%s%s%s", rows[i].before, path, rows[i].after);
    return;
  }
  snprintf(out, CONTROL_MESSAGE_BYTES, "cannot connect to %s: %s", path, strerror(error));
}

/* Where the system tells of no peer, it was the owner of the file who made it, and nobody else could. */
static bool is_owned(const char *path, struct platform_peer *out) {
  struct stat status;
  if (lstat(path, &status) < 0) return false;
  *out = (struct platform_peer){.pid = -1, .uid = status.st_uid, .gid = status.st_gid};
  return true;
}

bool control_is_trusted(int fd, const char *path, bool named, long *pid,
                        char out[CONTROL_MESSAGE_BYTES]) {
  struct platform_peer peer;
  if (platform_peer(fd, &peer) < 0 && !(errno == ENOTSUP && is_owned(path, &peer))) {
    snprintf(out, CONTROL_MESSAGE_BYTES, "cannot tell whose socket %s is: %s", path,
             strerror(errno));
    return false;
  }
  *pid = (long)peer.pid;
  if (peer.uid == geteuid() || peer.uid == 0 || (geteuid() == 0 && named)) return true;
  snprintf(out, CONTROL_MESSAGE_BYTES,
           "at %s answers a process of user %ld: ask as that user, or name the socket of your own "
           "server with --control",
           path, (long)peer.uid);
  return false;
}

/* --- Of several places ----------------------------------------------------------------------- */

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
