/* net/conn_fault.c — hands over what a connection receives in pieces, and late — does not know why.
 *
 * A fault is a transport on top of the one that the connection has, so that a connection without
 * one does not even look. It keeps no bytes: when some can be read it gives libuv no room for them,
 * waits, and then gives room for one piece. The rest is where it would be if the network had not
 * brought it yet, or if nobody read. */
#include "net/conn_fault.h"

#include "net/conn_state.h"
#include "net/conn_tell.h"
#include "net/timer.h"
#include "net/transport.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One connection's, from the command to its end. */
struct faulty {
  struct transport transport; /* what the connection uses; writing goes to `under` */
  const struct transport *under;
  struct conn *conn;
  struct conn_fault fault;
  struct net_timer *timer; /* while a piece waits for its time; NULL: none does */
  bool is_read;            /* the connection wants what comes */
  bool is_due;             /* there is room for one piece */
};

static void end(struct conn *conn);

/* NULL when the connection has no fault. */
static struct faulty *faulty_of(const struct conn *conn) {
  if (conn->transport->end != end) return NULL;
  return LIST_ELEMENT(conn->transport, struct faulty, transport);
}

static size_t piece_bytes(const struct faulty *faulty) {
  size_t split = faulty->fault.split_bytes;
  return split > 0 && split < READ_BUFFER_BYTES ? split : READ_BUFFER_BYTES;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  const struct conn *conn = handle->data;
  const struct faulty *faulty = faulty_of(conn);
  size_t room = faulty->is_due ? piece_bytes(faulty) : 0;
  /* What is read off before the close goes to nobody. */
  if (conn->flags & CONN_CLOSING) room = READ_BUFFER_BYTES;
  *buf = uv_buf_init(conn->group->loop->read_buffer, (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);

static void begin_reading(struct faulty *faulty) {
  int rc = uv_read_start(&faulty->conn->io.stream, on_alloc, on_read);
  if (rc < 0) conn_failed(faulty->conn, rc);
}

static void on_due(void *owner) {
  struct faulty *faulty = owner;
  net_timer_close(faulty->timer);
  faulty->timer = NULL;
  faulty->is_due = true;
  if (faulty->is_read && !(faulty->conn->flags & CONN_CLOSED)) begin_reading(faulty);
}

/* There is something to read: its time comes after the delay, or in the next turn of the loop. */
static void wait_for_its_time(struct faulty *faulty) {
  struct net_loop *loop = faulty->conn->group->loop;
  if (faulty->fault.delay_ms > 0) {
    faulty->timer = net_timer_open(loop, faulty->fault.delay_ms, 0, on_due, faulty);
  }
  if (faulty->timer) {
    uv_read_stop(&faulty->conn->io.stream);
  } else {
    faulty->is_due = true;
  }
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  struct conn *conn = stream->data;
  struct faulty *faulty = faulty_of(conn);
  if (nread == UV_ENOBUFS) {
    wait_for_its_time(faulty);
  } else if (nread > 0) {
    faulty->is_due = false;
    conn_received(conn, buf->base, (size_t)nread);
  } else if (nread < 0) {
    conn_read_ended(conn, (int)nread);
  }
}

static int read_start(struct conn *conn) {
  struct faulty *faulty = faulty_of(conn);
  faulty->is_read = true;
  return faulty->timer ? 0 : uv_read_start(&conn->io.stream, on_alloc, on_read);
}

static void read_stop(struct conn *conn) {
  faulty_of(conn)->is_read = false;
  uv_read_stop(&conn->io.stream);
}

static void end(struct conn *conn) {
  struct faulty *faulty = faulty_of(conn);
  if (faulty->timer) net_timer_close(faulty->timer);
  conn->transport = faulty->under;
  free(faulty);
}

/* --- Beginning and ending -------------------------------------------------------------------- */

static int begin(struct conn *conn, const struct conn_fault *fault) {
  struct faulty *faulty = calloc(1, sizeof *faulty);
  if (!faulty) return UV_ENOMEM;
  *faulty = (struct faulty){
      .transport = *conn->transport, .under = conn->transport, .conn = conn, .fault = *fault};
  faulty->transport.read_start = read_start;
  faulty->transport.read_stop = read_stop;
  faulty->transport.end = end;
  conn->transport = &faulty->transport;
  return 0;
}

/* Changes how the connection is read, while it is not. */
static int change(struct conn *conn, const struct conn_fault *fault) {
  struct faulty *faulty = faulty_of(conn);
  bool wanted = fault->split_bytes > 0 || fault->delay_ms > 0;
  if (faulty) end(conn);
  return wanted ? begin(conn, fault) : 0;
}

static void tell(struct conn *conn, const struct conn_fault *fault) {
  char name[CONN_FAULT_TEXT_MAX];
  char detail[160] = "what comes is handed over as it comes";
  conn_fault_text(fault, name);
  if (fault->split_bytes > 0 || fault->delay_ms > 0) {
    snprintf(detail, sizeof detail,
             "what comes is handed over in pieces of at most %zu bytes, each after %" PRIu64 " ms",
             fault->split_bytes ? fault->split_bytes : READ_BUFFER_BYTES, fault->delay_ms);
  }
  conn_tell_fault(conn, name, detail);
}

int conn_set_fault(struct conn *conn, const struct conn_fault *fault) {
  bool is_read = conn->flags & CONN_READING;
  if (conn->flags & CONN_CLOSED) return 0;
  if (is_read) conn->transport->read_stop(conn);
  int rc = change(conn, fault);
  int read_rc = is_read ? conn->transport->read_start(conn) : 0;
  if (read_rc < 0) conn_failed(conn, read_rc);
  if (rc == 0 && conn_is_told(conn, EVENT_FAULT)) tell(conn, fault);
  return rc;
}

void conn_fault_of(const struct conn *conn, struct conn_fault *out) {
  const struct faulty *faulty = faulty_of(conn);
  *out = faulty ? faulty->fault : (struct conn_fault){0};
}

void conn_fault_text(const struct conn_fault *fault, char out[CONN_FAULT_TEXT_MAX]) {
  char split[32] = "";
  char delay[32] = "";
  if (fault->split_bytes > 0) snprintf(split, sizeof split, "split=%zu", fault->split_bytes);
  if (fault->delay_ms > 0) snprintf(delay, sizeof delay, "delay=%" PRIu64 "ms", fault->delay_ms);
  snprintf(out, CONN_FAULT_TEXT_MAX, "%s%s%s", split, *split && *delay ? " " : "", delay);
  if (!*out) snprintf(out, CONN_FAULT_TEXT_MAX, "off");
}
