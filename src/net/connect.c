/* net/connect.c — connections over sockets, or the network in memory: accepted, or begun by us. Knows
 * no Lua. */
#include "net/connect.h"

#include "base/address.h"
#include "net/conn_state.h"
#include "net/incoming.h"
#include "net/listener.h"
#include "net/loop_state.h"
#include "net/network.h"
#include "net/transport/socket.h"
#include "net/transport/tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct socket_kind *sockets_of(const struct conn_group *group) {
  return group->loop->sockets;
}

static struct conn *new_socket(struct conn_group *group, bool is_unix) {
  const struct socket_kind *sockets = sockets_of(group);
  struct conn *conn = conn_new(group, sockets->size(is_unix));
  if (conn) sockets->init(conn->lowest, &conn->stack.transport, group->loop, is_unix);
  return conn;
}

static struct conn *new_memory(struct conn_group *group, struct memory_pipe *pipe) {
  struct conn *conn = conn_new(group, memory_size());
  if (conn) memory_init(conn->lowest, &conn->stack.transport, pipe);
  return conn;
}

static int adopt(struct conn_group *group, struct incoming *incoming, bool is_unix,
                 struct conn **out) {
  if (incoming->pipe) {
    *out = new_memory(group, incoming->pipe);
    return *out ? 0 : UV_ENOMEM;
  }
  struct conn *conn = new_socket(group, is_unix);
  int rc = conn ? sockets_of(group)->adopt(conn->lowest, incoming->fd) : UV_ENOMEM;
  if (rc < 0 && conn) conn_discard(conn);
  *out = conn;
  return rc;
}

void net_let_go(struct incoming *incoming) {
  if (incoming->pipe) {
    memory_abandon(incoming->pipe);
  } else {
    close(incoming->fd);
  }
}

int net_accept(struct conn_group *group, struct incoming *incoming, const struct sockaddr *peer,
               const struct accepting *accepting) {
  struct conn *conn;
  struct tls_context *tls = accepting->tls;
  struct transport_layer *layer = tls ? tls_new(group->loop, tls, NULL) : NULL;
  int rc = tls && !layer ? UV_ENOMEM : adopt(group, incoming, peer->sa_family == AF_UNIX, &conn);
  if (rc < 0) {
    if (layer) transport_drop(layer);
    net_let_go(incoming);
    return rc;
  }
  if (accepting->door) rc = conn_await_proxy(conn, accepting->door, accepting->door_owner);
  if (layer) transport_put(layer, &conn->stack);
  if (rc < 0) {
    conn_discard(conn);
    return rc;
  }
  conn->listener_index = (uint16_t)accepting->listener_index;
  conn_begin(conn, peer, false);
  rc = transport_under_open(&conn->stack.transport);
  if (rc < 0) conn_failed(conn, rc);
  return 0;
}

int net_adopt(struct conn_group *group, int fd, const struct sockaddr *peer,
              unsigned listener_index) {
  struct incoming incoming = {.fd = fd};
  const struct accepting accepting = {.listener_index = listener_index};
  return net_accept(group, &incoming, peer, &accepting);
}

void net_refuse(struct incoming *incoming) {
  const struct linger at_once = {.l_onoff = 1};
  if (incoming->pipe) {
    memory_abandon(incoming->pipe);
    return;
  }
  setsockopt(incoming->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(incoming->fd);
}

int net_incoming_descriptor(const struct incoming *incoming) {
  return incoming->pipe ? -1 : incoming->fd;
}

void net_bring(const struct listener_events *events, void *owner, int fd,
               const struct sockaddr *peer) {
  struct incoming incoming = {.fd = fd};
  events->on_accept(owner, &incoming, peer);
}

void net_refuse_descriptor(int fd) {
  struct incoming incoming = {.fd = fd};
  net_refuse(&incoming);
}

struct conn *net_conn_on(const struct memory_pipe *pipe) {
  struct transport *above = memory_above(pipe);
  while (above && above->ops->free) above = transport_above(above); /* a layer in between */
  return (struct conn *)above;
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

static int begin_connect(struct conn_group *group, const struct sockaddr *address,
                         struct conn **out) {
  struct network *network = net_loop_network(group->loop);
  struct memory_pipe *pipe;
  if (!network) {
    *out = new_socket(group, address->sa_family == AF_UNIX);
    return *out ? sockets_of(group)->connect((*out)->lowest, address) : UV_ENOMEM;
  }
  int rc = network_call(network, address, &pipe);
  *out = rc == 0 ? new_memory(group, pipe) : NULL;
  if (rc == 0 && !*out) memory_abandon(pipe);
  return *out ? rc : UV_ENOMEM;
}

int net_connect(struct conn_group *group, const struct sockaddr *address,
                void (*on_done)(void *owner, struct conn *conn, int rc), void *owner,
                struct connect_attempt **out) {
  static const struct transport_ops connect_ops = {.ready = connect_on_ready,
                                                   .failed = connect_on_failed};
  struct connect_attempt *attempt = calloc(1, sizeof *attempt);
  struct conn *conn = NULL;
  int rc = attempt ? begin_connect(group, address, &conn) : UV_ENOMEM;
  if (!conn) {
    free(attempt);
    return rc;
  }
  *attempt = (struct connect_attempt){.conn = conn, .on_done = on_done, .owner = owner};
  memcpy(&attempt->address, address, address_size(address));
  conn->owner = attempt;
  conn->stack.transport.ops = &connect_ops;
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
