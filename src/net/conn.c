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
#include "base/probe.h"
#include "net/conn_tell.h"
#include "net/conn_tls.h"
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

static void look_again(struct conn *conn, void *context) {
  (void)context;
  conn_schedule(conn, 0);
}

void conn_group_reschedule(struct conn_group *group) {
  conn_group_each(group, look_again, NULL);
}

struct conn *conn_group_newest(const struct conn_group *group) {
  if (list_empty(&group->conns)) return NULL;
  return LIST_ELEMENT(group->conns.prev, struct conn, group_link);
}

struct conn *conn_group_next(const struct conn_group *group, const struct conn *conn) {
  const struct list *next = conn ? conn->group_link.next : group->conns.next;
  return next == &group->conns ? NULL : LIST_ELEMENT(next, struct conn, group_link);
}

static const struct transport_ops conn_ops;

void conn_begin(struct conn *conn, const struct sockaddr *peer, bool connected) {
  struct conn_group *group = conn->group;
  conn->stack.transport.ops = &conn_ops;
  conn->receiver = group->events->on_data;
  conn_remember_peer(conn, peer);
  if (group->script) conn->id = ++group->loop->conn_id_last & CONN_LOW_48;
  conn->active_ms = net_loop_now_ms(group->loop);
  conn->opened_ms = conn->active_ms & CONN_LOW_48;
  list_append(&group->conns, &conn->group_link);
  group->count++;
  if (conn_proxy_of(conn)) conn_proxy_begun(conn);
  if (!conn_proxy_of(conn)) group->accepted++;
  conn->wheel.mark = (uint32_t)conn->opened_ms;
  conn->flags |= CONN_OPENING;
  if (connected) conn->flags |= CONN_GREETED | CONN_OUTGOING;
  if (connected) {
    PROBE2(connect, conn_id(conn), group->script);
  } else {
    PROBE2(accept, conn_id(conn), group->script);
  }
  conn_schedule_first(conn);
  if (conn_is_watched(conn)) conn_tell_begin(conn, connected ? EVENT_CONNECT : EVENT_ACCEPT);
}

static void tell_ready(struct conn *conn, bool is_first) {
  const struct conn_events *events = conn->group->events;
  if (is_first) {
    events->on_open(conn);
  } else if (events->on_secured) {
    events->on_secured(conn);
  }
}

static void conn_on_ready(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  bool is_first = !(conn->flags & CONN_OPENED);
  bool has_waited = conn->flags & CONN_WRITING; /* for this: nothing is written so far */
  if (conn_is_told(conn, EVENT_HANDSHAKE)) conn_tell_handshake(conn);
  conn->flags = (conn->flags & ~(uint32_t)CONN_OPENING) | CONN_OPENED;
  if (is_first && conn_proxy_of(conn)) conn->group->accepted++; /* it is no mere check */
  if (!(conn->flags & CONN_CLOSING)) tell_ready(conn, is_first);
  if (has_waited && (conn->flags & CONN_WRITING)) conn_write_on(conn);
  if (conn->flags & CONN_FIN_WANTED) conn_mark_dirty(conn);
  net_loop_flush(conn->group->loop);
  conn_update_reading(conn);
  if (!(conn->flags & CONN_READING)) conn_schedule(conn, HELD_LOOK_MS);
  conn_check(conn);
}

void conn_set_receiver(struct conn *conn, conn_receiver receiver) {
  if (!conn_is_forwarding(conn)) conn->receiver = receiver;
}

void conn_receive(struct conn *conn, const char *bytes, size_t size) {
  conn->receiver(conn, bytes, size);
}

/* False when nobody is to have the bytes. */
static bool note_received(struct conn *conn, const char *bytes, size_t size) {
  conn->bytes_in += size;
  conn->group->bytes_in += size;
  PROBE3(data, conn_id(conn), bytes, size);
  if (conn_is_told(conn, EVENT_DATA)) conn_tell_data(conn, bytes, size);
  if (conn->flags & CONN_STEPPING) conn_hold(conn, CONN_HOLD_CONSOLE, true);
  if (conn->flags & CONN_CLOSING) return false; /* read off, so that closing sends no RST */
  conn->active_ms = net_loop_now_ms(conn->group->loop);
  conn->messages_in++;
  return true;
}

static void conn_on_received(struct transport *self, const char *bytes, size_t size) {
  struct conn *conn = (struct conn *)self;
  if (!note_received(conn, bytes, size)) return;
  conn->receiver(conn, bytes, size);
  net_loop_flush_soon(conn->group->loop);
  conn_check(conn);
}

/* What the stage holds is of lowest layers, and on its way up; here it would come next. */
struct conn *conn_next_received(const struct conn_group *group, conn_receiver receiver,
                                const char **bytes, size_t *size) {
  struct stage *stage = &group->loop->stage;
  const struct staged *staged = stage_first(stage);
  if (!staged) return NULL;
  struct conn *conn = LIST_ELEMENT(staged->lowest, struct conn, lowest);
  const uint32_t flags = CONN_READING | CONN_CLOSING | CONN_CLOSED;
  if (conn->group != group || conn->receiver != receiver || conn->stack.under != conn->lowest ||
      (conn->flags & flags) != CONN_READING) {
    return NULL;
  }
  stage->first++;
  *bytes = staged->bytes;
  *size = staged->size;
  (void)note_received(conn, *bytes, *size);
  return conn;
}

static void conn_on_ended(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  conn->flags |= CONN_EOF_SEEN | (conn->flags & CONN_FIN_SENT ? 0 : CONN_PEER_FIRST);
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

static void conn_on_failed(struct transport *self, int rc) {
  struct conn *conn = (struct conn *)self;
  bool is_handshake = rc == UV_EPROTO && (conn->flags & CONN_OPENING);
  if (is_handshake && conn_is_told(conn, EVENT_HANDSHAKE)) conn_tell_handshake(conn);
  conn_failed(conn, rc);
}

static void conn_on_closed(struct transport *self) {
  struct conn *conn = (struct conn *)self;
  struct conn_group *group = conn->group;
  struct net_loop *loop = group->loop;
  assert(!(conn->flags & CONN_DIRTY));
  assert(!conn->output);
  if (conn->rare) conn_forward_end(conn);
  list_remove(&conn->group_link);
  group->count--;
  PROBE2(close, conn_id(conn), reason_name((enum reason)conn->reason));
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

void conn_set_owner(struct conn *conn, void *owner) {
  conn->owner = owner;
}

void conn_greeted(struct conn *conn) {
  conn->flags |= CONN_GREETED;
}

void conn_skip_linger(struct conn *conn) {
  if (conn_is_closing(conn) && !conn->output) conn_depart(conn);
}
