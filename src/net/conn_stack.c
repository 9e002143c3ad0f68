/* net/conn_stack.c — what is under a connection: made, put on top, asked, freed. Knows no layer. */
#include "net/conn_state.h"

#include <stdlib.h>

struct conn *conn_new(struct conn_group *group, size_t lowest_size) {
  struct conn *conn = calloc(1, sizeof *conn + lowest_size);
  if (!conn) return NULL;
  conn->stack.under = conn->lowest;
  conn->group = group;
  wheel_entry_init(&conn->wheel);
  return conn;
}

void conn_free(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  while (conn->stack.under != conn->lowest) transport_take_out(&conn->stack);
  free(conn);
}

void conn_discard(struct conn *conn) {
  static const struct transport_ops discarded_ops = {.closed = conn_free};
  conn->stack.transport.ops = &discarded_ops;
  transport_under_close(&conn->stack.transport);
}

int conn_put_layer(struct conn *conn, struct transport_layer *layer) {
  if (conn->flags & CONN_CLOSED) return UV_EPIPE;
  if (conn->output) return UV_EBUSY;
  bool is_ready = !(conn->flags & CONN_OPENING);
  conn->flags |= CONN_OPENING;
  conn_update_reading(conn);
  transport_put(layer, &conn->stack);
  if (is_ready) conn->stack.under->ops->ready(conn->stack.under);
  return 0;
}
