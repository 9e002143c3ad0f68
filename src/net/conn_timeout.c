/* net/conn_timeout.c — a connection's deadlines: idle, write, linger — not what follows from them. */
#include "net/conn_state.h"

#include "net/conn_tell.h"
#include "net/loop_state.h"
#include "net/transport.h"

void conn_schedule(struct conn *conn, uint64_t delay_ms) {
  struct net_loop *loop = conn->group->loop;
  wheel_schedule(loop->wheel, &conn->wheel, net_loop_now_ms(loop) + delay_ms);
}

static void look_again(struct conn *conn, void *context) {
  (void)context;
  if (!(conn->flags & CONN_CLOSED)) conn_schedule(conn, 0);
}

void conn_group_reschedule(struct conn_group *group) {
  conn_group_each(group, look_again, NULL);
}

/* When the peer last took something of what waits to be written. */
static uint64_t write_progress_ms(struct conn *conn, uint64_t now_ms) {
  struct writing *writing = conn->writing;
  size_t unacknowledged = conn->transport->unacknowledged(conn);
  if (unacknowledged < writing->unacknowledged) {
    if (writing->unacknowledged != SIZE_MAX) writing->progress_ms = now_ms;
    writing->unacknowledged = unacknowledged;
  }
  return writing->progress_ms;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
  if (a == 0 || b == 0) return a + b;
  return a < b ? a : b;
}

/* A closing connection has nobody to ask: it ends when its deadline has passed. */
static uint64_t due_closing(struct conn *conn, uint64_t now_ms) {
  const struct conn_group *group = conn->group;
  uint64_t deadline = 0;
  if (conn->flags & CONN_FIN_SENT) {
    deadline = conn->active_ms + group->linger_ms;
  } else if (conn->writing && group->write_ms) {
    deadline = write_progress_ms(conn, now_ms) + group->write_ms;
    if (deadline > now_ms) return sooner(deadline, now_ms + WRITE_LOOK_MS(group->write_ms));
  }
  if (deadline == 0 || deadline > now_ms) return deadline;
  if (conn_is_told(conn, EVENT_TIMEOUT))
    conn_tell_timeout(conn, conn->writing ? "write" : "linger");
  /* Without RST the kernel would keep the unsent bytes of a peer that takes none. */
  if (conn->writing) {
    conn_reset(conn, (enum reason)conn->reason);
  } else {
    conn_destroy(conn);
  }
  return 0;
}

/* The next time at which `kind` has to be looked at, after telling when it is due: then its time
 * begins anew. 0: never. */
static uint64_t due_kind(struct conn *conn, enum conn_timeout kind, uint64_t *since_ms,
                         uint64_t timeout_ms, uint64_t now_ms) {
  if (timeout_ms == 0) return 0;
  if (*since_ms + timeout_ms > now_ms) return *since_ms + timeout_ms;
  *since_ms = now_ms;
  if (conn_is_told(conn, EVENT_TIMEOUT)) {
    conn_tell_timeout(conn, kind == CONN_TIMEOUT_IDLE ? "idle" : "write");
  }
  conn->group->events->on_timeout(conn, kind);
  net_loop_flush(conn->group->loop);
  return now_ms + timeout_ms;
}

uint64_t conn_due(struct wheel_entry *entry, uint64_t now_ms) {
  struct conn *conn = LIST_ELEMENT(entry, struct conn, wheel);
  const struct conn_group *group = conn->group;
  if (conn->flags & CONN_CLOSING) return due_closing(conn, now_ms);
  uint64_t next = 0;
  if (conn->writing && group->write_ms) {
    write_progress_ms(conn, now_ms);
    next = due_kind(conn, CONN_TIMEOUT_WRITE, &conn->writing->progress_ms, group->write_ms, now_ms);
    next = sooner(next, now_ms + WRITE_LOOK_MS(group->write_ms));
  }
  if (!(conn->flags & (CONN_CLOSING | CONN_CLOSED))) {
    uint64_t idle = due_kind(conn, CONN_TIMEOUT_IDLE, &conn->active_ms, group->idle_ms, now_ms);
    next = sooner(next, idle);
  }
  if (conn->flags & CONN_CLOSED) return 0;
  /* on_timeout() may have begun to close it, with deadlines of its own. */
  if (conn->flags & CONN_CLOSING) return due_closing(conn, now_ms);
  return next;
}
