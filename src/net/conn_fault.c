/* net/conn_fault.c — puts a fault into a connection, and takes it out — does not know why.
 *
 * It is a layer of the transport, above all others, so a connection without one does not even
 * look: net/transport/fault.c. */
#include "net/conn_fault.h"

#include "base/text.h"
#include "net/conn_tell.h"
#include "net/transport/fault.h"

#include <inttypes.h>
#include <stdio.h>

static void tell(struct conn *conn, const struct conn_fault *fault) {
  char name[CONN_FAULT_TEXT_MAX];
  char detail[160] = "input is delivered as it arrives";
  conn_fault_text(fault, name);
  const size_t most = fault->split_bytes ? fault->split_bytes : READ_BUFFER_BYTES;
  if (fault->split_bytes > 0 || fault->delay_ms > 0) {
    snprintf(detail, sizeof detail,
             "input is delivered in pieces of at most %zu byte%s, each after %" PRIu64 " ms", most,
             text_plural(most), fault->delay_ms);
  }
  conn_tell_fault(conn, name, detail);
}

static void put(struct conn *conn, struct transport_layer *layer) {
  if (fault_of(conn->stack.under)) transport_take_out(&conn->stack);
  if (layer) transport_put(layer, &conn->stack);
}

/* Changes how the connection is read, while it is not. */
static void change(struct conn *conn, struct transport_layer *layer) {
  struct transport *top = &conn->stack.transport;
  bool is_read = conn->flags & CONN_READING;
  if (is_read) transport_under_read_stop(top);
  put(conn, layer);
  int rc = is_read ? transport_under_read_start(top, TRANSPORT_ROOM_ALL) : 0;
  if (rc < 0) conn_failed(conn, rc);
}

int conn_set_fault(struct conn *conn, const struct conn_fault *fault) {
  bool wanted = fault->split_bytes > 0 || fault->delay_ms > 0;
  if (conn->flags & CONN_CLOSED) return 0;
  struct transport_layer *layer = wanted ? fault_new(conn->group->loop, fault) : NULL;
  if (wanted && !layer) return UV_ENOMEM;
  change(conn, layer);
  if (conn_is_told(conn, EVENT_FAULT)) tell(conn, fault);
  return 0;
}

void conn_end_fault(struct conn *conn) {
  if (fault_of(conn->stack.under)) change(conn, NULL);
}

void conn_fault_of(const struct conn *conn, struct conn_fault *out) {
  const struct conn_fault *fault = fault_of(conn->stack.under);
  *out = fault ? *fault : (struct conn_fault){0};
}

void conn_fault_text(const struct conn_fault *fault, char out[CONN_FAULT_TEXT_MAX]) {
  char split[32] = "";
  char delay[32] = "";
  if (fault->split_bytes > 0) snprintf(split, sizeof split, "split=%zu", fault->split_bytes);
  if (fault->delay_ms > 0) snprintf(delay, sizeof delay, "delay=%" PRIu64 "ms", fault->delay_ms);
  snprintf(out, CONN_FAULT_TEXT_MAX, "%s%s%s", split, *split && *delay ? " " : "", delay);
  if (!*out) snprintf(out, CONN_FAULT_TEXT_MAX, "off");
}
