/* net/conn_read.c — whether a connection is read, and when it is looked at next. Knows no bytes. */
#include "net/conn_state.h"

#include "net/conn_tell.h"
#include "net/loop_state.h"
#include "net/transport/socket.h"

void conn_schedule(struct conn *conn, uint64_t delay_ms) {
  struct net_loop *loop = conn->group->loop;
  if (conn->flags & CONN_CLOSED) return;
  wheel_schedule(loop->wheel, &conn->wheel, net_loop_now_ms(loop) + delay_ms);
}

void conn_await_ack(struct conn *conn) {
  conn->flags |= CONN_UNACKED;
  conn->acked = (uint32_t)conn->bytes_out;
  conn->acked_ms = (uint32_t)net_loop_now_ms(conn->group->loop);
  if (conn->group->write_ms) conn_schedule(conn, WRITE_LOOK_MS(conn->group->write_ms));
}

/* The end of reading is no pause, and its begin no going on. */
static void tell_hold(struct conn *conn) {
  bool paused = conn_held_by(conn) != NULL;
  if (paused == !!(conn->flags & CONN_PAUSED)) return;
  conn->flags ^= CONN_PAUSED;
  if (conn_is_watched(conn)) conn_tell_reading(conn);
}

/* All that is forwarded as it is need not come into our memory. */
static bool may_be_piped(const struct conn *conn) {
  const struct socket_kind *sockets = conn->group->loop->sockets;
  return conn->receiver == conn_forward_bytes && conn->rare->left == FORWARD_ALL &&
         conn->stack.under == conn->lowest && sockets && sockets->pour;
}

static void start_reading(struct conn *conn) {
  size_t room = may_be_piped(conn) ? TRANSPORT_ROOM_PIPE : TRANSPORT_ROOM_ALL;
  int rc = transport_under_read_start(&conn->stack.transport, room);
  if (rc < 0) conn_failed(conn, rc);
}

void conn_update_room(struct conn *conn) {
  const uint32_t flags = CONN_READING | CONN_CLOSED;
  if ((conn->flags & flags) == CONN_READING) start_reading(conn);
}

void conn_update_reading(struct conn *conn) {
  if (conn->flags & CONN_CLOSED) return;
  bool wanted = conn_wants_reading(conn);
  if (wanted == !!(conn->flags & CONN_READING)) return;
  conn->flags ^= CONN_READING;
  tell_hold(conn);
  if (!wanted) {
    transport_under_read_stop(&conn->stack.transport);
    conn_schedule(conn, conn_look_ms(conn, net_loop_now_ms(conn->group->loop)));
    return;
  }
  start_reading(conn);
}

void conn_hold(struct conn *conn, enum conn_hold hold, bool on) {
  if (hold == CONN_HOLD_CONSOLE) conn->flags &= ~(uint32_t)CONN_STEPPING;
  conn->holds = (uint8_t)(on ? conn->holds | hold : conn->holds & ~hold);
  conn_update_reading(conn);
}

void conn_step(struct conn *conn) {
  conn_hold(conn, CONN_HOLD_CONSOLE, false);
  conn->flags |= CONN_STEPPING;
}

void conn_forward_changed(struct conn *to) {
  struct conn *from = conn_source(to);
  if (from) conn_update_reading(from);
}
