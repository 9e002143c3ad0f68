/* net/connect.c — a connection that we begin: connect(2) without waiting. Knows libuv, not Lua. */
#include "net/connect.h"

#include "base/address.h"
#include "net/bind.h"
#include "net/conn_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

struct connect_attempt {
  uv_connect_t request;
  struct conn *conn;
  struct sockaddr_storage address;
  void (*on_done)(void *owner, struct conn *conn, int rc); /* NULL once cancelled */
  void *owner;
};

static void on_connected(uv_connect_t *request, int status) {
  struct connect_attempt *attempt = request->data;
  struct conn *conn = attempt->conn;
  struct connect_attempt done = *attempt;
  free(attempt);
  if (!done.on_done) return; /* cancelled: the connection is closing already */
  if (status < 0) {
    conn_discard(conn);
    done.on_done(done.owner, NULL, status);
    return;
  }
  uv_os_fd_t fd;
  if (conn->io.handle.type == UV_TCP && uv_fileno(&conn->io.handle, &fd) == 0) {
    (void)bind_set_tcp_options(fd); /* it serves without them, too */
  }
  conn->listener_index = CONN_NO_LISTENER;
  conn_begin(conn, (const struct sockaddr *)&done.address, true);
  done.on_done(done.owner, conn, 0);
}

int net_connect(struct conn_group *group, const struct sockaddr *address,
                void (*on_done)(void *owner, struct conn *conn, int rc), void *owner,
                struct connect_attempt **out) {
  bool is_unix = address->sa_family == AF_UNIX;
  struct connect_attempt *attempt = calloc(1, sizeof *attempt);
  if (!attempt) return UV_ENOMEM;
  attempt->conn = conn_new(group, is_unix);
  if (!attempt->conn) {
    free(attempt);
    return UV_ENOMEM;
  }
  attempt->request.data = attempt;
  attempt->on_done = on_done;
  attempt->owner = owner;
  memcpy(&attempt->address, address, address_size(address));
  int rc = 0;
  if (is_unix) {
    const char *path = ((const struct sockaddr_un *)(const void *)address)->sun_path;
    uv_pipe_connect(&attempt->request, &attempt->conn->io.pipe, path, on_connected);
  } else {
    rc = uv_tcp_connect(&attempt->request, &attempt->conn->io.tcp, address, on_connected);
  }
  if (rc < 0) {
    conn_discard(attempt->conn);
    free(attempt);
    return rc;
  }
  *out = attempt;
  return 0;
}

void net_connect_cancel(struct connect_attempt *attempt) {
  attempt->on_done = NULL;
  conn_discard(
      attempt->conn); /* on_connected() follows, with UV_ECANCELED, and frees the attempt */
}
