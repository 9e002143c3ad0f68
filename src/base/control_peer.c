/* base/control_peer.c — who answers at a control socket, and why nobody does. Opens no socket. */
#include "base/control_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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

bool control_is_trusted(int fd, const char *path, bool named, long *pid,
                        char out[CONTROL_MESSAGE_BYTES]) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
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
