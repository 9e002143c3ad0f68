/* server/control/place.c — where a control socket is bound. */
#include "server/control/place.h"

#include "base/control_address.h"
#include "base/log.h"
#include "net/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <uv.h>

static const char *control_advice_for(int rc) {
  switch (rc) {
    case UV_EADDRINUSE: return "another server listens there: give this one a --control of its own";
    case UV_EEXIST: return "there is a file that is no socket: remove it, or name another path";
    case UV_ENOENT: return "the directory does not exist: create it, or name another path";
    case UV_EACCES:
    case UV_EPERM:
    case UV_EROFS: return "name a path in a directory that this user may write to, or @NAME";
    default: return "name another path";
  }
}

/* Between bind(2) and listen(2) nobody can connect yet. */
static int open_at(const struct control_address *address, struct bound_socket *out) {
  const struct listener_options options = {.address = (const struct sockaddr *)&address->sockaddr,
                                           .address_size = address->size};
  int rc = bind_open(&options, out);
  if (rc < 0) return rc;
  const char *path = address->sockaddr.sun_path;
  if (*path && chmod(path, S_IRUSR | S_IWUSR) < 0) rc = UV_EPERM;
  if (rc == 0 && listen(out->fd, CONTROL_BACKLOG) < 0) rc = uv_translate_sys_error(errno);
  if (rc < 0) bind_release(out);
  return rc;
}

int control_place_open(struct control_address *address, struct bound_socket *out) {
  const struct control_address first = *address;
  int rc = UV_EADDRINUSE;
  for (int number = 1; rc == UV_EADDRINUSE; number++) {
    if (!control_address_place(&first, number, address)) return rc;
    rc = open_at(address, out);
  }
  return rc;
}

void control_place_close(const struct bound_socket *bound, bool was_forked) {
  if (was_forked) {
    free(bound->file);
  } else {
    bind_release(bound);
  }
}

void control_place_tell(struct log *log, int rc, const struct control_address *wanted,
                        const struct control_address *place) {
  const bool is_first = strcmp(place->text, wanted->text) == 0;
  if (rc < 0) {
    log_printf(log, LOG_WARN, "no control socket at %s (%s): %s; --control off needs none",
               place->text, uv_strerror(rc), control_advice_for(rc));
  } else {
    log_printf(log, LOG_INFO, "control socket: %s%s%s", place->text,
               is_first ? "" : ", for another server has ", is_first ? "" : wanted->text);
  }
}
