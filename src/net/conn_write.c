/* net/conn_write.c — a connection's way out: queue, flush, high and low water — and the FIN behind it.
 *
 * Sends gather in the output until the handler ends; then one writev() takes what the kernel has
 * room for, mostly all of it, and the output goes back to the pool. What is left waits in one write
 * of the transport at a time: libuv finishes one request per pass, so many queued ones would be slow,
 * and closing drops what it holds, so it holds little. */
#include "net/conn_state.h"

#include "base/blob.h"
#include "base/probe.h"
#include "net/conn_tell.h"
#include "net/loop_state.h"
#include "net/transport/socket.h"

enum {
  SHARE_BYTES_MIN = 256, /* below it the note of who shares costs as much as a copy */
  WRITE_BUFS_MAX = 64,
  /* One request's bytes: drain and the water marks see progress only between requests. */
  WRITE_BYTES_MAX = 256 * 1024,
  /* What one handler makes connections copy before it is tried to send, and is counted. */
  LOOSE_BYTES_MAX = 4 * 1024 * 1024,
};

static int queued(struct conn *conn, bool done) {
  if (done) return 0;
  conn_failed(conn, UV_ENOMEM);
  return UV_ENOMEM;
}

int conn_send_begin(struct conn *conn) {
  if (conn->flags & (CONN_FIN_WANTED | CONN_CLOSED)) return UV_EPIPE;
  /* A handler that sends much does not pile it up here while the kernel has room. */
  if (conn->output && output_size(conn->output) > conn->group->queue_high) conn_flush(conn);
  struct net_loop *loop = conn->group->loop;
  if (loop->pool.loose_bytes > LOOSE_BYTES_MAX) net_loop_flush(loop);
  if (conn->flags & CONN_CLOSED) return UV_EPIPE;
  if (conn_queue_bytes(conn) > conn->group->queue_bytes_max) {
    struct conn_budget *budget = conn->group->budget;
    if (budget) budget->on_excess(budget->owner, conn, CONN_BOUND_OWN);
    conn_reset(conn, REASON_WRITE_QUEUE);
    return UV_ENOBUFS;
  }
  if (!conn->output) conn->output = output_take(&loop->pool);
  if (!conn->output) return queued(conn, false);
  conn->messages_out++;
  conn_mark_dirty(conn);
  return 0;
}

int conn_send_copied(struct conn *conn, const char *bytes, size_t size) {
  return size == 0 ? 0 : queued(conn, output_copy(conn->output, bytes, size));
}

int conn_send_borrowed(struct conn *conn, const char *bytes, size_t size) {
  return size == 0 ? 0 : queued(conn, output_borrow(conn->output, bytes, size));
}

int conn_send_shared(struct conn *conn, struct blob *blob, size_t size) {
  if (size < SHARE_BYTES_MIN && output_may_copy(conn->output)) {
    return conn_send_copied(conn, blob->bytes, size);
  }
  return queued(conn, output_share(conn->output, blob, size));
}

static void sent(struct conn *conn, size_t size) {
  PROBE2(send, conn_id(conn), size);
  if (!(conn->flags & CONN_UNACKED)) conn_await_ack(conn);
  conn->bytes_out += size;
  conn->group->bytes_out += size;
}

static void consumed(struct conn *conn, size_t size) {
  output_consume(conn->output, size);
  sent(conn, size);
}

bool conn_send_piped(struct conn *conn, const char **bytes, size_t *size) {
  struct net_loop *loop = conn->group->loop;
  bool may_follow = output_size(conn->output) == 0 && conn->stack.under == conn->lowest &&
                    !(conn->flags & (CONN_WRITING | CONN_OPENING));
  ssize_t taken = loop->sockets->pour(loop, may_follow ? conn->lowest : NULL);
  if (taken < 0) {
    conn_failed(conn, (int)taken);
    return false;
  }
  if (taken > 0) sent(conn, (size_t)taken);
  *size -= (size_t)taken;
  *bytes = loop->read_buffer;
  return *size > 0;
}

/* Compares the queue with the water marks. Events come only from the loop, so a drain that a
 * flush inside a handler brings about is told by conn_on_written(). */
static void check_high(struct conn *conn) {
  if (conn_queue_bytes(conn) <= conn->group->queue_high) return;
  conn->flags |= CONN_ABOVE_HIGH;
  conn_update_reading(conn);
  if (conn->rare) conn_forward_changed(conn);
}

static void check_low(struct conn *conn) {
  if (!(conn->flags & (CONN_ABOVE_HIGH | CONN_DRAIN_WANTED))) return;
  size_t low = conn->flags & CONN_SENT_WANTED ? 1 : conn->group->queue_low;
  if (conn_queue_bytes(conn) >= low) return;
  bool crossed = conn->flags & CONN_ABOVE_HIGH;
  conn->flags &= ~(uint32_t)(CONN_ABOVE_HIGH | CONN_DRAIN_WANTED | CONN_SENT_WANTED);
  conn_update_reading(conn);
  if (conn->rare) conn_forward_changed(conn);
  if (conn->flags & (CONN_CLOSING | CONN_CLOSED)) return;
  if (conn_is_told(conn, EVENT_DRAIN)) conn_tell_drain(conn);
  conn->group->events->on_drain(conn, crossed);
  net_loop_flush(conn->group->loop);
}

void conn_write_on(struct conn *conn) {
  size_t size = conn_writing_bytes(conn);
  conn_stop_waiting(conn);
  consumed(conn, size);
  conn->active_ms = net_loop_now_ms(conn->group->loop); /* the peer made room for it */
  if (size > 0 && conn_is_told(conn, EVENT_FLUSH)) conn_tell_flush(conn, size, true);
  conn_flush(conn);
  if (!(conn->flags & CONN_CLOSED)) check_low(conn);
}

void conn_on_written(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  conn_write_on(conn);
  conn_check(conn);
}

static bool own_output(struct conn *conn) {
  struct conn_budget *budget = conn->group->budget;
  return output_own(conn->output, budget ? &budget->account : NULL);
}

static void wait_for_peer(struct conn *conn, size_t size) {
  struct writing *writing = output_writing(conn->output);
  *writing = (struct writing){.conn = conn, .size = size};
  list_append(&conn->group->loop->waiting, &writing->link);
  conn->flags |= CONN_WRITING;
  if (!(conn->flags & CONN_UNACKED)) conn_await_ack(conn);
}

/* Hands on the next bytes, to be written when the peer takes them. 0 or UV_E*. */
static int write_later(struct conn *conn) {
  if (!own_output(conn)) return UV_ENOMEM;
  uv_buf_t bufs[WRITE_BUFS_MAX];
  size_t size;
  unsigned count = output_peek(conn->output, bufs, WRITE_BUFS_MAX, WRITE_BYTES_MAX, &size);
  int rc = transport_under_write(&conn->stack.transport, bufs, count);
  if (rc == 0) wait_for_peer(conn, size);
  return rc;
}

/* Writes until the kernel takes no more; 0 or UV_E*. */
static int write_now(struct conn *conn) {
  while (output_size(conn->output) > 0) {
    uv_buf_t bufs[WRITE_BUFS_MAX];
    size_t offered;
    unsigned count = output_peek(conn->output, bufs, WRITE_BUFS_MAX, SIZE_MAX, &offered);
    ssize_t taken = transport_under_write_now(&conn->stack.transport, bufs, count);
    if (taken < 0) return (int)taken;
    consumed(conn, (size_t)taken);
    if (conn_is_told(conn, EVENT_FLUSH)) conn_tell_flush(conn, (size_t)taken, false);
    if ((size_t)taken < offered) return write_later(conn);
  }
  return 0;
}

/* Behind a write that is under way nothing can be written, but what is borrowed must be copied
 * before the handler's strings go. */
static void wait_behind(struct conn *conn) {
  if (conn->output && !own_output(conn)) {
    conn_failed(conn, UV_ENOMEM);
    return;
  }
  check_high(conn);
  conn_keep_budget(conn);
}

/* False when that ended it: one that is not read hears of a reset from nobody else. Whoever reads,
 * now or later, first learns what the peer said before it. */
static bool send_fin(struct conn *conn) {
  int rc = transport_under_finish(&conn->stack.transport);
  if (rc == 0) return true;
  if (rc == UV_ENOTCONN && (conn->flags & CONN_READING)) return true;
  if (conn->group->keeps_unread && conn_unread_bytes(conn) > 0) return true;
  conn_failed(conn, rc);
  return false;
}

/* The queue is empty: FIN, linger or close, as wanted. */
static void output_done(struct conn *conn) {
  if (!(conn->flags & CONN_FIN_WANTED)) return;
  bool closing = conn->flags & CONN_CLOSING;
  /* With the peer's FIN seen there is nothing left to read off. */
  if ((conn->flags & CONN_EOF_SEEN) || (closing && conn->group->linger_ms == 0)) {
    if (!conn->reason) conn->reason = REASON_EOF;
    conn_depart(conn);
    return;
  }
  if (!(conn->flags & CONN_FIN_SENT)) {
    conn->flags |= CONN_FIN_SENT;
    if (!send_fin(conn)) return;
    if (conn_is_told(conn, EVENT_SHUTDOWN)) conn_tell_plain(conn, EVENT_SHUTDOWN);
  }
  if (!closing) return;
  conn_end_fault(conn);
  conn->active_ms = net_loop_now_ms(conn->group->loop);
  conn_schedule(conn, conn->group->linger_ms);
  conn_update_reading(conn);
}

/* What is sent before the transport is ready waits like what is slowly taken. */
static void wait_for_ready(struct conn *conn) {
  if (conn->output) {
    if (!(conn->flags & CONN_WRITING)) wait_for_peer(conn, 0);
    wait_behind(conn);
  } else if (conn->flags & CONN_CLOSING) {
    conn_destroy(conn);
  }
}

void conn_flush(struct conn *conn) {
  if (conn->flags & (CONN_CLOSED | CONN_OPENING)) {
    if (!(conn->flags & CONN_CLOSED)) wait_for_ready(conn);
    return;
  }
  /* What a closing one is sent goes to nobody, but a peer may take nothing before it has sent all. */
  if (conn->flags & CONN_CLOSING) conn_update_reading(conn);
  if (conn->flags & CONN_CLOSED) return;
  if (conn->flags & CONN_WRITING) {
    wait_behind(conn);
    return;
  }
  if (conn->output) {
    int rc = write_now(conn);
    if (rc < 0) {
      conn_failed(conn, rc);
      return;
    }
    if (output_size(conn->output) > 0) {
      check_high(conn);
      conn_keep_budget(conn);
      return;
    }
    output_give_back(&conn->group->loop->pool, conn->output);
    conn->output = NULL;
  }
  output_done(conn);
}

void net_loop_flush(struct net_loop *loop) {
  if (!loop->dirty) return;
  while (loop->dirty) {
    struct conn *conn = loop->dirty;
    loop->dirty = conn->dirty_next;
    conn->flags &= ~(uint32_t)CONN_DIRTY;
    conn_flush(conn);
  }
  loop->pool.loose_bytes = 0;
}

void net_loop_flush_soon(struct net_loop *loop) {
  const struct stage *stage = &loop->stage;
  bool waits = stage->is_told && loop->pool.loose_bytes == 0 &&
               net_loop_now_ms(loop) == stage->since_ms; /* it moves on when a handler took long */
  if (!waits) net_loop_flush(loop);
}

static void want_drain(struct conn *conn) {
  conn->flags |= CONN_DRAIN_WANTED;
  conn_update_reading(conn);
}

bool conn_await_sent(struct conn *conn) {
  conn_flush(conn);
  if (!(conn->flags & CONN_WRITING)) return false;
  conn->flags |= CONN_SENT_WANTED;
  want_drain(conn);
  return true;
}

bool conn_await_drain(struct conn *conn) {
  conn_flush(conn);
  if (conn->flags & CONN_CLOSED) return false;
  if (conn_queue_bytes(conn) < conn->group->queue_low || !(conn->flags & CONN_WRITING))
    return false;
  want_drain(conn);
  return true;
}
