/* base/control_peer.c — who answers at a control socket, and why nobody does. Opens no socket. */
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
