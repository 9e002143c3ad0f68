/* net/conn.c — one connection, from accept to close — does not know what its bytes mean.
 *
 * The happy path: conn_begin, conn_on_ready, conn_on_received for each read, conn_on_ended with the
 * peer's FIN, conn_close by the owner, conn_on_closed. Nothing that the owner queued is lost on it:
 * conn_close first lets the queue drain (conn_write.c), then sends FIN, then reads off what the peer
 * still sends, because closing a socket with unread bytes makes the kernel send RST, which takes the
 * reply with it. Every step has a deadline (conn_timeout.c). The failure path is short: conn_failed,
 * from any of these, goes straight to the transport's close.
 *
 * Once it has begun, only conn_on_closed frees a connection. */
#include "net/conn_state.h"

#include "base/blob.h"
#include "net/conn_tell.h"
#include "net/loop_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void conn_group_init(struct conn_group *group, struct net_loop *loop,
                     const struct conn_events *events, void *owner) {
  *group = (struct conn_group){.loop = loop, .events = events, .owner = owner};
  list_init(&group->conns);
}

void conn_group_each(struct conn_group *group, void (*visit)(struct conn *conn, void *context),
                     void *context) {
  /* Only on_closed() unlinks, and it does not run inside `visit`, so the links hold still. */
  struct list *last = group->conns.prev;
  for (struct list *link = group->conns.next; link != &group->conns; link = link->next) {
    visit(LIST_ELEMENT(link, struct conn, group_link), context);
    if (link == last) return;
  }
}

struct conn *conn_group_newest(const struct conn_group *group) {
  if (list_empty(&group->conns)) return NULL;
  return LIST_ELEMENT(group->conns.prev, struct conn, group_link);
}

struct conn *conn_group_next(const struct conn_group *group, const struct conn *conn) {
  const struct list *next = conn ? conn->group_link.next : group->conns.next;
  return next == &group->conns ? NULL : LIST_ELEMENT(next, struct conn, group_link);
}

static void remember_peer(struct conn *conn, const struct sockaddr *peer) {
  if (peer->sa_family == AF_INET) {
    memcpy(&conn->peer.ip4, peer, sizeof conn->peer.ip4);
  } else if (peer->sa_family == AF_INET6) {
    memcpy(&conn->peer.ip6, peer, sizeof conn->peer.ip6);
  } else {
    conn->peer.any.sa_family = peer->sa_family;
  }
}

static const struct transport_ops conn_ops;

void conn_begin(struct conn *conn, const struct sockaddr *peer, bool connected) {
  struct conn_group *group = conn->group;
  conn->stack.transport.ops = &conn_ops;
  conn->receiver = group->events->on_data;
  remember_peer(conn, peer);
  conn->id = ++group->loop->conn_id_last;
  conn->opened_ms = conn->active_ms = net_loop_now_ms(group->loop);
  list_append(&group->conns, &conn->group_link);
  group->count++;
  group->accepted++;
  conn->first_ms = (uint32_t)conn->opened_ms;
  conn->flags |= CONN_OPENING;
  if (connected) conn->flags |= CONN_GREETED;
  conn_schedule_first(conn);
  if (conn_is_watched(conn)) conn_tell_begin(conn, connected ? EVENT_CONNECT : EVENT_ACCEPT);
}

static void conn_on_ready(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  bool is_first = !(conn->flags & CONN_OPENED);
  bool has_waited = conn->flags & CONN_WRITING; /* for this: nothing is written so far */
  conn->flags = (conn->flags & ~(uint32_t)CONN_OPENING) | CONN_OPENED;
  if (is_first && !(conn->flags & CONN_CLOSING)) conn->group->events->on_open(conn);
  if (has_waited && (conn->flags & CONN_WRITING)) conn_write_on(conn);
  if (conn->flags & CONN_FIN_WANTED) conn_mark_dirty(conn);
  net_loop_flush(conn->group->loop);
  conn_update_reading(conn);
  if (!(conn->flags & CONN_READING)) conn_schedule(conn, HELD_LOOK_MS);
  conn_check(conn);
}

/* Whoever does not take what we send is not read either: what he says would only add to it. But he may
 * take no more before he has said something, so not so where somebody else sees to the queue: who waits
 * for it to drain, or between two forwards the source, which is held instead. */
static bool is_full(const struct conn *conn) {
  if (!(conn->flags & CONN_ABOVE_HIGH) || (conn->flags & CONN_DRAIN_WANTED)) return false;
  return !conn_forwards_both_ways(conn);
}

bool conn_wants_reading(const struct conn *conn) {
  if (conn->flags & (CONN_CLOSED | CONN_EOF_SEEN | CONN_OPENING)) return false;
  if (conn->flags & CONN_CLOSING) return true;
  return conn->holds == 0 && !is_full(conn) && !conn_forward_is_full(conn);
}

/* The end of reading is no pause, and its begin no going on. */
static void tell_hold(struct conn *conn) {
  bool paused = conn_held_by(conn) != NULL;
  if (paused == !!(conn->flags & CONN_PAUSED)) return;
  conn->flags ^= CONN_PAUSED;
  if (conn_is_watched(conn)) conn_tell_reading(conn);
}

void conn_update_reading(struct conn *conn) {
  if (conn->flags & CONN_CLOSED) return;
  bool wanted = conn_wants_reading(conn);
  if (wanted == !!(conn->flags & CONN_READING)) return;
  conn->flags ^= CONN_READING;
  tell_hold(conn);
  if (!wanted) {
    transport_under_read_stop(&conn->stack.transport);
    conn_schedule(conn, HELD_LOOK_MS);
    return;
  }
  int rc = transport_under_read_start(&conn->stack.transport, TRANSPORT_ROOM_ALL);
  if (rc < 0) conn_failed(conn, rc);
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

bool conn_is_paused(const struct conn *conn) {
  return (conn->holds & CONN_HOLD_CONSOLE) || (conn->flags & CONN_STEPPING);
}

const char *conn_held_by(const struct conn *conn) {
  if (conn->flags & (CONN_READING | CONN_EOF_SEEN | CONN_CLOSED | CONN_OPENING)) return NULL;
  return conn->holds & CONN_HOLD_CONSOLE  ? "console"
         : conn->holds & CONN_HOLD_SCRIPT ? "script"
         : is_full(conn)                  ? "output"
         : conn_forward_is_full(conn)     ? "forward"
                                          : "handler";
}

void conn_set_receiver(struct conn *conn, conn_receiver receiver) {
  if (!conn_is_forwarding(conn)) conn->receiver = receiver;
}

void conn_receive(struct conn *conn, const char *bytes, size_t size) {
  conn->receiver(conn, bytes, size);
}

static void conn_on_received(struct transport *self, const char *bytes, size_t size) {
  struct conn *conn = (struct conn *)self;
  conn->bytes_in += size;
  conn->group->bytes_in += size;
  if (conn_is_told(conn, EVENT_DATA)) conn_tell_data(conn, bytes, size);
  if (conn->flags & CONN_STEPPING) conn_hold(conn, CONN_HOLD_CONSOLE, true);
  if (conn->flags & CONN_CLOSING) return; /* read off, so that closing sends no RST */
  conn->active_ms = net_loop_now_ms(conn->group->loop);
  conn->messages_in++;
  conn->receiver(conn, bytes, size);
  net_loop_flush(conn->group->loop);
  conn_check(conn);
}

static void conn_on_ended(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  conn->flags |= CONN_EOF_SEEN;
  if (conn_is_watched(conn)) conn_tell_eof(conn);
  conn_update_reading(conn);
  if (!(conn->flags & CONN_CLOSING)) {
    if (!conn_forward_eof(conn)) conn->group->events->on_eof(conn);
    net_loop_flush(conn->group->loop);
  } else if (conn->flags & CONN_FIN_SENT) {
    conn_destroy(conn);
  }
  conn_check(conn);
}

/* A connection that broke says no goodbye: what is queued cannot be delivered any more. */
void conn_failed(struct conn *conn, int rc) {
  if (conn->flags & CONN_CLOSED) return;
  if (rc == UV_ENOMEM) conn->flags |= CONN_STARVED;
  if (!conn->reason) conn->reason = rc == UV_ENOMEM ? REASON_ERROR : REASON_RESET;
  if (rc != UV_ENOMEM && conn_is_told(conn, EVENT_RESET)) conn_tell_failed(conn, rc);
  conn_destroy(conn);
}

void conn_close(struct conn *conn, enum reason reason) {
  if (conn->flags & (CONN_CLOSING | CONN_CLOSED)) return;
  conn->reason = (uint8_t)reason;
  conn->flags |= CONN_CLOSING | CONN_FIN_WANTED;
  conn_mark_dirty(conn);
}

void conn_close_starved(struct conn *conn) {
  conn->flags |= CONN_STARVED;
  conn_close(conn, REASON_ERROR);
}

bool conn_is_starved(const struct conn *conn) {
  return conn->flags & CONN_STARVED;
}

void conn_shutdown(struct conn *conn) {
  if (conn->flags & (CONN_FIN_WANTED | CONN_CLOSED)) return;
  conn->flags |= CONN_FIN_WANTED;
  conn_mark_dirty(conn);
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

void conn_output_done(struct conn *conn) {
  if (!(conn->flags & CONN_FIN_WANTED)) return;
  bool closing = conn->flags & CONN_CLOSING;
  /* close(2) itself sends FIN, and with the peer's FIN seen there is nothing left to read off. */
  if ((conn->flags & CONN_EOF_SEEN) || (closing && conn->group->linger_ms == 0)) {
    if (!conn->reason) conn->reason = REASON_EOF;
    conn_destroy(conn);
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

static void conn_on_failed(struct transport *self, int rc) {
  conn_failed((struct conn *)self, rc);
}

static void conn_on_closed(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  struct conn_group *group = conn->group;
  struct net_loop *loop = group->loop;
  assert(!(conn->flags & CONN_DIRTY));
  assert(!conn->output);
  if (conn->forwarding) conn_forward_end(conn);
  list_remove(&conn->group_link);
  group->count--;
  group->events->on_close(conn, (enum reason)conn->reason);
  net_loop_flush(loop);
  conn_free(self);
  net_loop_descriptor_freed(loop);
}

static const struct transport_ops conn_ops = {
    .ready = conn_on_ready,
    .received = conn_on_received,
    .ended = conn_on_ended,
    .failed = conn_on_failed,
    .written = conn_on_written,
    .closed = conn_on_closed,
};

/* What is queued will never be sent; the transport does not look at what it was given any more. */
static void mark_closed(struct conn *conn) {
  conn->flags |= CONN_CLOSED;
  wheel_cancel(&conn->wheel);
  conn_drop_output(conn);
}

void conn_destroy(struct conn *conn) {
  if (conn->flags & CONN_CLOSED) return;
  if (conn_is_watched(conn)) conn_tell_close(conn, false);
  mark_closed(conn);
  transport_under_close(&conn->stack.transport);
}

void conn_reset(struct conn *conn, enum reason reason) {
  if (conn->flags & CONN_CLOSED) return;
  conn->reason = (uint8_t)reason;
  if (conn_is_watched(conn)) conn_tell_close(conn, conn->peer.any.sa_family != AF_UNIX);
  mark_closed(conn);
  transport_under_reset(&conn->stack.transport);
}

enum conn_phase conn_phase(const struct conn *conn) {
  if (conn_is_closing(conn)) return CONN_PHASE_CLOSING;
  if (conn->flags & CONN_FIN_WANTED) return CONN_PHASE_SHUTDOWN;
  return conn->flags & CONN_EOF_SEEN ? CONN_PHASE_PEER_FINISHED : CONN_PHASE_OPEN;
}

const char *conn_phase_name(enum conn_phase phase) {
  static const char *const names[] = {
      [CONN_PHASE_OPEN] = "open",
      [CONN_PHASE_PEER_FINISHED] = "eof",
      [CONN_PHASE_SHUTDOWN] = "shutdown",
      [CONN_PHASE_CLOSING] = "closing",
  };
  return names[phase];
}

bool conn_is_closing(const struct conn *conn) {
  return conn->flags & (CONN_CLOSING | CONN_CLOSED);
}

bool conn_peer_finished(const struct conn *conn) {
  return conn->flags & CONN_EOF_SEEN;
}

bool conn_has_opened(const struct conn *conn) {
  return conn->flags & CONN_OPENED;
}

bool conn_finished(const struct conn *conn) {
  return (conn->flags & CONN_EOF_SEEN) && (conn->flags & CONN_FIN_WANTED);
}

void conn_set_owner(struct conn *conn, void *owner) {
  conn->owner = owner;
}

void *conn_owner(const struct conn *conn) {
  return conn->owner;
}

struct conn_group *conn_group_of(const struct conn *conn) {
  return conn->group;
}

uint64_t conn_id(const struct conn *conn) {
  return conn->id;
}

unsigned conn_listener_index(const struct conn *conn) {
  return conn->listener_index;
}

void conn_greeted(struct conn *conn) {
  conn->flags |= CONN_GREETED;
}

void conn_abandon(struct conn *conn) {
  conn->owner = NULL;
  conn->flags |= CONN_ORPHAN;
  conn->holds &= CONN_HOLD_CONSOLE;
  conn_update_reading(conn);
  conn_forward_end_orphan(conn);
}

void conn_skip_linger(struct conn *conn) {
  if (conn_is_closing(conn) && !conn->output) conn_destroy(conn);
}

const struct sockaddr *conn_peer(const struct conn *conn, socklen_t *size) {
  *size = conn->peer.any.sa_family == AF_INET    ? sizeof conn->peer.ip4
          : conn->peer.any.sa_family == AF_INET6 ? sizeof conn->peer.ip6
                                                 : sizeof conn->peer.any.sa_family;
  return &conn->peer.any;
}

void conn_counters(const struct conn *conn, struct conn_counters *out) {
  *out = (struct conn_counters){
      .bytes_in = conn->bytes_in,
      .bytes_out = conn->bytes_out,
      .messages_in = conn->messages_in,
      .messages_out = conn->messages_out,
      .age_ms = net_loop_now_ms(conn->group->loop) - conn->opened_ms,
  };
}
