/* net/transport/fault.c — hands on what it receives in pieces, and late; above any other layer.
 *
 * It keeps no bytes: it lets the layer under it have no room until there is something, waits, and
 * then lets it have room for one piece. The rest is where it would be if the network had not brought
 * it yet, or if nobody read.
 *
 * How it fails:
 *   - The layer under it fails: handed on at once.
 *   - The peer's FIN or RST comes while a piece waits: found when that has gone.
 *   - Memory for a timer is out: the piece comes in the next turn of the loop, too early. */
#include "net/transport/fault.h"

#include "base/list.h"
#include "net/timer.h"

#include <stdbool.h>
#include <stdlib.h>

struct faulty {
  struct transport_layer layer;
  struct net_loop *loop;
  struct conn_fault fault;
  struct net_timer *timer; /* while a piece waits for its time; NULL: none does */
  size_t room;             /* what the one above has */
  bool is_read;            /* it wants what comes */
  bool is_due;             /* there is room for one piece */
};

static struct faulty *faulty_of(const struct transport *self) {
  return (struct faulty *)self;
}

static int fault_ask(struct faulty *faulty) {
  size_t piece = faulty->fault.split_bytes;
  if (piece == 0 || piece > faulty->room) piece = faulty->room;
  return transport_under_read_start(&faulty->layer.over.transport, faulty->is_due ? piece : 0);
}

static void fault_on_due(void *owner) {
  struct faulty *faulty = owner;
  struct transport *self = &faulty->layer.over.transport;
  net_timer_close(faulty->timer);
  faulty->timer = NULL;
  faulty->is_due = true;
  int rc = faulty->is_read ? fault_ask(faulty) : 0;
  if (rc < 0) transport_above_failed(self, rc);
}

static void fault_stop_timer(struct faulty *faulty) {
  if (faulty->timer) net_timer_close(faulty->timer);
  faulty->timer = NULL;
}

/* There is something to read: its time comes after the delay, or in the next turn of the loop. */
static int fault_wait(struct faulty *faulty) {
  if (faulty->fault.delay_ms > 0) {
    faulty->timer = net_timer_open(faulty->loop, faulty->fault.delay_ms, 0, fault_on_due, faulty);
  }
  if (faulty->timer) {
    transport_under_read_stop(&faulty->layer.over.transport);
    return 0;
  }
  faulty->is_due = true;
  return fault_ask(faulty);
}

static void fault_received(struct transport *self, const char *bytes, size_t size) {
  struct faulty *faulty = faulty_of(self);
  bool was_due = faulty->is_due;
  if (size > 0) faulty->is_due = false;
  int rc = size > 0 ? fault_ask(faulty) : was_due ? 0 : fault_wait(faulty);
  if (rc < 0) {
    transport_above_failed(self, rc);
  } else if (was_due) {
    transport_above_received(self, bytes, size);
  }
}

static int fault_read_start(struct transport *self, size_t room) {
  struct faulty *faulty = faulty_of(self);
  faulty->is_read = true;
  faulty->room = room;
  return faulty->timer ? 0 : fault_ask(faulty);
}

static void fault_read_stop(struct transport *self) {
  faulty_of(self)->is_read = false;
  transport_under_read_stop(self);
}

static void fault_reset(struct transport *self) {
  fault_stop_timer(faulty_of(self));
  transport_under_reset(self);
}

static void fault_close(struct transport *self) {
  fault_stop_timer(faulty_of(self));
  transport_under_close(self);
}

static void fault_free(struct transport *self) {
  fault_stop_timer(faulty_of(self));
  free(self);
}

static const struct transport_ops fault_ops = {
    .set_above = transport_set_above,
    .open = transport_under_open,
    .read_start = fault_read_start,
    .read_stop = fault_read_stop,
    .write_now = transport_under_write_now,
    .write = transport_under_write,
    .finish = transport_under_finish,
    .reset = fault_reset,
    .close = fault_close,
    .free = fault_free,
    .unread = transport_under_unread,
    .unacknowledged = transport_under_unacknowledged,
    .ready = transport_above_ready,
    .received = fault_received,
    .ended = transport_above_ended,
    .failed = transport_above_failed,
    .written = transport_above_written,
    .closed = transport_above_closed,
};

struct transport_layer *fault_new(struct net_loop *loop, const struct conn_fault *fault) {
  struct faulty *faulty = calloc(1, sizeof *faulty);
  if (!faulty) return NULL;
  faulty->layer.over.transport.ops = &fault_ops;
  faulty->loop = loop;
  faulty->fault = *fault;
  return &faulty->layer;
}

bool fault_is(const struct transport *layer) {
  return layer->ops == &fault_ops;
}

const struct conn_fault *fault_of(const struct transport *layer) {
  return fault_is(layer) ? &faulty_of(layer)->fault : NULL;
}
