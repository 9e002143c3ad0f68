/* net/connect.c — connections over the kernel's sockets: accepted, or begun by us. Knows no Lua. */
#include "net/connect.h"

#include "base/address.h"
#include "net/conn_state.h"
#include "net/transport/plain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct conn *new_plain(struct conn_group *group, bool is_unix) {
  struct conn *conn = conn_new(group, plain_size(is_unix));
  if (conn) plain_init(conn->lowest, &conn->stack.transport, group->loop, is_unix);
  return conn;
}

int net_accept(struct conn_group *group, int fd, const struct sockaddr *peer,
               unsigned listener_index) {
  struct conn *conn = new_plain(group, peer->sa_family == AF_UNIX);
  int rc = conn ? plain_adopt(conn->lowest, fd) : UV_ENOMEM;
  if (rc < 0) {
    close(fd);
    if (conn) conn_discard(conn);
    return rc;
  }
  conn->listener_index = (uint16_t)listener_index;
  conn_begin(conn, peer, false);
  rc = transport_under_open(&conn->stack.transport);
  if (rc < 0) conn_failed(conn, rc);
  return 0;
}

/* Meanwhile it is the one above the transport, and the connection's owner. */
struct connect_attempt {
  struct conn *conn;
  struct sockaddr_storage address;
  void (*on_done)(void *owner, struct conn *conn, int rc);
  void *owner;
};

static void connect_on_ready(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  struct connect_attempt done = *(struct connect_attempt *)conn->owner;
  free(conn->owner);
  conn->owner = NULL;
  conn->listener_index = CONN_NO_LISTENER;
  conn_begin(conn, (const struct sockaddr *)&done.address, true);
  self->ops->ready(self);
  done.on_done(done.owner, conn, 0);
}

static void connect_on_failed(struct transport *self, int rc) {
  struct conn *conn = (struct conn *)self;
  struct connect_attempt done = *(struct connect_attempt *)conn->owner;
  net_connect_cancel(conn->owner);
  done.on_done(done.owner, NULL, rc);
}

int net_connect(struct conn_group *group, const struct sockaddr *address,
                void (*on_done)(void *owner, struct conn *conn, int rc), void *owner,
                struct connect_attempt **out) {
  static const struct transport_ops connect_ops = {.ready = connect_on_ready,
                                                   .failed = connect_on_failed};
  struct connect_attempt *attempt = calloc(1, sizeof *attempt);
  struct conn *conn = attempt ? new_plain(group, address->sa_family == AF_UNIX) : NULL;
  if (!conn) {
    free(attempt);
    return UV_ENOMEM;
  }
  *attempt = (struct connect_attempt){.conn = conn, .on_done = on_done, .owner = owner};
  memcpy(&attempt->address, address, address_size(address));
  conn->owner = attempt;
  conn->stack.transport.ops = &connect_ops;
  int rc = plain_connect(conn->lowest, address);
  if (rc == 0) rc = transport_under_open(&conn->stack.transport);
  if (rc < 0) {
    net_connect_cancel(attempt);
    return rc;
  }
  *out = attempt;
  return 0;
}

void net_connect_cancel(struct connect_attempt *attempt) {
  conn_discard(attempt->conn);
  free(attempt);
}
