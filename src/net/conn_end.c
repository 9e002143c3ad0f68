/* net/conn_end.c — how a connection ends: asked to, broken or at once. Knows nobody who decides it.
 *
 * conn_close() only marks: what is queued goes out first (conn_write.c). conn_failed(), from anywhere,
 * goes straight to the transport's close. */
#include "net/conn_state.h"

#include "net/conn_tell.h"
#include "net/loop_state.h"

void conn_mark_dirty(struct conn *conn) {
  if (conn->flags & CONN_DIRTY) return;
  struct net_loop *loop = conn->group->loop;
  conn->flags |= CONN_DIRTY;
  conn->dirty_next = loop->dirty;
  loop->dirty = conn;
}

void conn_close(struct conn *conn, enum reason reason) {
  if (conn->flags & (CONN_CLOSING | CONN_CLOSED)) return;
  const struct conn_events *events = conn->group->events;
  if (events->on_closing && !(conn->flags & CONN_FIN_WANTED)) events->on_closing(conn, reason);
  if (conn->flags & CONN_CLOSED) return; /* there was no memory for its last words */
  conn->reason = (uint8_t)reason;
  conn->flags |= CONN_CLOSING | CONN_FIN_WANTED;
  conn_mark_dirty(conn);
}

void conn_close_starved(struct conn *conn) {
  conn->flags |= CONN_STARVED;
  conn_close(conn, REASON_ERROR);
}

void conn_shutdown(struct conn *conn) {
  if (conn->flags & (CONN_FIN_WANTED | CONN_CLOSED)) return;
  conn->flags |= CONN_FIN_WANTED;
  conn_mark_dirty(conn);
}

void conn_stop_waiting(struct conn *conn) {
  conn->flags &= ~(uint32_t)CONN_WRITING;
  list_remove(&output_writing(conn->output)->link);
}

static void drop_output(struct conn *conn) {
  if (conn->flags & CONN_WRITING) conn_stop_waiting(conn);
  if (conn->output) output_give_back(&conn->group->loop->pool, conn->output);
  conn->output = NULL;
}

/* What is queued will never be sent; the transport does not look at what it was given any more. */
static void mark_closed(struct conn *conn) {
  conn->flags |= CONN_CLOSED;
  wheel_cancel(&conn->wheel);
  drop_output(conn);
}

void conn_destroy(struct conn *conn) {
  if (conn->flags & CONN_CLOSED) return;
  if (conn_is_watched(conn)) conn_tell_close(conn, false);
  mark_closed(conn);
  transport_under_close(&conn->stack.transport);
}

void conn_depart(struct conn *conn) {
  bool is_plain = conn->stack.under == conn->lowest; /* close(2) itself sends FIN */
  bool can_speak = !(conn->flags & (CONN_FIN_SENT | CONN_OPENING | CONN_CLOSED));
  if (!is_plain && can_speak) (void)transport_under_finish(&conn->stack.transport);
  conn_destroy(conn);
}

void conn_reset(struct conn *conn, enum reason reason) {
  if (conn->flags & CONN_CLOSED) return;
  conn->reason = (uint8_t)reason;
  if (conn_is_watched(conn)) conn_tell_close(conn, conn->peer.any.sa_family != AF_UNIX);
  mark_closed(conn);
  transport_under_reset(&conn->stack.transport);
}

static uint8_t reason_of(const struct conn *conn, int rc) {
  if (rc == UV_ENOMEM) return REASON_ERROR;
  return rc == UV_EPROTO && (conn->flags & CONN_OPENING) ? REASON_HANDSHAKE : REASON_RESET;
}

/* A connection that broke says no goodbye: what is queued cannot be delivered any more. */
void conn_failed(struct conn *conn, int rc) {
  if (conn->flags & CONN_CLOSED) return;
  if (rc == UV_ENOMEM) conn->flags |= CONN_STARVED;
  if (!conn->reason) conn->reason = reason_of(conn, rc);
  bool is_by_peer = rc == UV_ECONNRESET || rc == UV_EPIPE;
  if (is_by_peer && !(conn->flags & CONN_FIN_SENT)) conn->flags |= CONN_PEER_FIRST;
  bool is_reset = conn->reason != REASON_HANDSHAKE && rc != UV_ENOMEM;
  if (is_reset && conn_is_told(conn, EVENT_RESET)) conn_tell_failed(conn, rc);
  conn_destroy(conn);
}
