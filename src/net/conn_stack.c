/* net/conn_stack.c — what is under a connection: made, put on top, asked, freed. */
#include "net/conn_state.h"

#include "net/loop.h"
#include "net/transport/fault.h"

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
  free(conn_proxy_of(conn));
  free(conn->rare);
  free(conn);
}

void conn_discard(struct conn *conn) {
  static const struct transport_ops discarded_ops = {.closed = conn_free};
  conn->stack.transport.ops = &discarded_ops;
  transport_under_close(&conn->stack.transport);
}

struct transport *conn_layer(const struct conn *conn, bool (*is)(const struct transport *layer)) {
  struct transport *layer = conn->stack.under;
  while (layer != conn->lowest && !is(layer)) layer = transport_under(layer);
  return layer == conn->lowest ? NULL : layer;
}

/* What faults do is done to what the owner gets. */
static struct transport_over *place_of_layer(struct conn *conn) {
  struct transport *fault = conn_layer(conn, fault_is);
  return fault ? (struct transport_over *)fault : &conn->stack;
}

int conn_put_layer(struct conn *conn, struct transport_layer *layer) {
  if (conn->flags & (CONN_FIN_WANTED | CONN_CLOSED)) return UV_EPIPE;
  if (conn->output) return UV_EBUSY;
  bool is_ready = !(conn->flags & CONN_OPENING);
  conn->flags |= CONN_OPENING;
  conn->wheel.mark = (uint32_t)net_loop_now_ms(conn->group->loop);
  conn_update_reading(conn);
  transport_put(layer, place_of_layer(conn));
  struct transport *self = &layer->over.transport;
  if (is_ready) self->ops->ready(self);
  conn_schedule_first(conn);
  return 0;
}
