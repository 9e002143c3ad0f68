/* net/conn_timeout.c — a connection's deadlines: handshake, idle, first, request, write, linger — not what
 * follows from them. */
#include "net/conn_state.h"

#include "net/conn_tell.h"
#include "net/loop_state.h"

static uint64_t sooner(uint64_t a, uint64_t b) {
  if (a == 0 || b == 0) return a + b;
  return a < b ? a : b;
}

void conn_schedule_first(struct conn *conn) {
  const struct conn_group *group = conn->group;
  uint64_t delay_ms = sooner(group->idle_ms, conn->flags & CONN_GREETED ? 0 : group->first_ms);
  if (conn->flags & CONN_OPENING) delay_ms = sooner(delay_ms, group->handshake_ms);
  /* Mostly something is sent soon, and then the entry is in its place already. */
  if (group->write_ms) delay_ms = sooner(delay_ms, WRITE_LOOK_MS(group->write_ms));
  if (delay_ms) conn_schedule(conn, delay_ms);
}

/* A clock of which only the low bits were kept. */
static uint64_t whole_ms(uint32_t low_ms, uint64_t now_ms) {
  int32_t age_ms = (int32_t)((uint32_t)now_ms - low_ms);
  return age_ms > 0 ? now_ms - (uint64_t)age_ms : now_ms;
}

/* Nobody else hears of a reset while the connection is not read and nothing waits to be written.
 * True when it has ended. */
static bool was_reset(struct conn *conn) {
  if (conn->flags & (CONN_READING | CONN_CLOSED | CONN_OPENING)) return false;
  /* What came before the reset is still to be read by somebody, who then learns of it. */
  if (conn->group->keeps_unread && conn_unread_bytes(conn) > 0) return false;
  int rc = conn->lowest->ops->facts->error(conn->lowest);
  if (rc < 0) conn_failed(conn, rc);
  return rc < 0;
}

/* Looks at what the peer acknowledged. False when nothing that was sent waits for that. */
static bool awaits_ack(struct conn *conn, uint64_t now_ms) {
  if (!(conn->flags & CONN_UNACKED)) return false;
  size_t left = transport_under_unacknowledged(&conn->stack.transport);
  if (left == 0 && !(conn->flags & CONN_WRITING)) {
    conn->flags &= ~(uint32_t)CONN_UNACKED;
    return false;
  }
  uint64_t handed_over = conn->bytes_out + conn_writing_bytes(conn);
  uint32_t acked = (uint32_t)(handed_over - left);
  if (acked != conn->acked) conn->acked_ms = (uint32_t)now_ms;
  conn->acked = acked;
  return true;
}

/* A closing connection has nobody to ask: it ends when its deadline has passed. */
static uint64_t due_closing(struct conn *conn, uint64_t now_ms) {
  const struct conn_group *group = conn->group;
  uint64_t deadline = 0;
  bool writes = conn->flags & CONN_WRITING;
  if (conn->flags & CONN_FIN_SENT) {
    deadline = conn->active_ms + group->linger_ms;
  } else if (writes && group->write_ms) {
    awaits_ack(conn, now_ms);
    deadline = whole_ms(conn->acked_ms, now_ms) + group->write_ms;
    if (deadline > now_ms) return sooner(deadline, now_ms + WRITE_LOOK_MS(group->write_ms));
  }
  if (deadline == 0 || deadline > now_ms) return deadline;
  if (conn_is_told(conn, EVENT_TIMEOUT)) conn_tell_timeout(conn, writes ? "write" : "linger");
  /* Without RST the kernel would keep the unsent bytes of a peer that takes none. */
  if (writes) {
    conn_reset(conn, (enum reason)conn->reason);
  } else {
    conn_destroy(conn);
  }
  return 0;
}

const char *conn_timeout_name(enum conn_timeout kind) {
  static const char *const names[] = {[CONN_TIMEOUT_IDLE] = "idle",
                                      [CONN_TIMEOUT_WRITE] = "write",
                                      [CONN_TIMEOUT_FIRST] = "first",
                                      [CONN_TIMEOUT_REQUEST] = "request"};
  return names[kind];
}

static void begin_anew(struct conn *conn, enum conn_timeout kind, uint64_t now_ms) {
  switch (kind) {
    case CONN_TIMEOUT_IDLE: conn->active_ms = now_ms; break;
    case CONN_TIMEOUT_WRITE: conn->acked_ms = (uint32_t)now_ms; break;
    case CONN_TIMEOUT_FIRST: conn->wheel.mark = (uint32_t)now_ms; break;
    case CONN_TIMEOUT_REQUEST: conn->rare->request_ms = (uint32_t)now_ms; break;
  }
}

/* The next time at which `kind` has to be looked at, after telling when it is due: then its time
 * begins anew. 0: never. */
static uint64_t due_kind(struct conn *conn, enum conn_timeout kind, uint64_t since_ms,
                         uint64_t timeout_ms, uint64_t now_ms) {
  if (timeout_ms == 0 || (conn->flags & (CONN_CLOSING | CONN_CLOSED))) return 0;
  if (since_ms + timeout_ms > now_ms) return since_ms + timeout_ms;
  begin_anew(conn, kind, now_ms);
  if (conn_is_told(conn, EVENT_TIMEOUT)) conn_tell_timeout(conn, conn_timeout_name(kind));
  if (conn->flags & CONN_OPENED) {
    conn->group->events->on_timeout(conn, kind);
  } else {
    conn_close(conn, REASON_IDLE);
  }
  net_loop_flush(conn->group->loop);
  return now_ms + timeout_ms;
}

/* Nobody has it yet, or all of it waits for that: it ends at once. */
static uint64_t due_handshake(struct conn *conn, uint64_t now_ms) {
  uint64_t handshake_ms = conn->group->handshake_ms;
  if (!(conn->flags & CONN_OPENING) || handshake_ms == 0) return 0;
  uint64_t due_ms = whole_ms(conn->wheel.mark, now_ms) + handshake_ms;
  if (due_ms > now_ms) return due_ms;
  if (conn_is_told(conn, EVENT_TIMEOUT)) conn_tell_timeout(conn, "handshake");
  conn_proxy_late(conn);
  conn->reason = REASON_HANDSHAKE_TIMEOUT;
  conn_destroy(conn);
  return 0;
}

static uint64_t due_write(struct conn *conn, uint64_t now_ms) {
  uint64_t write_ms = conn->group->write_ms;
  if (write_ms == 0 || !awaits_ack(conn, now_ms)) return 0;
  uint64_t since_ms = whole_ms(conn->acked_ms, now_ms);
  uint64_t next = due_kind(conn, CONN_TIMEOUT_WRITE, since_ms, write_ms, now_ms);
  return sooner(next, now_ms + WRITE_LOOK_MS(write_ms));
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* Until when it may say nothing, before or after it was asked whether it is there. */
static uint64_t due_quiet(struct conn *conn, uint64_t since_ms, uint64_t now_ms) {
  uint64_t idle_ms = conn->group->idle_ms;
  if (idle_ms == 0 || (conn->flags & (CONN_CLOSING | CONN_CLOSED))) return 0;
  if (conn->wheel.mark == (uint32_t)since_ms) return since_ms + idle_ms;
  if (since_ms + idle_ms / 2 > now_ms) return since_ms + idle_ms / 2;
  conn->wheel.mark = (uint32_t)since_ms;
  conn->group->events->on_quiet(conn);
  net_loop_flush(conn->group->loop);
  return since_ms + idle_ms;
}

static uint64_t due_idle(struct conn *conn, uint64_t now_ms) {
  uint64_t since_ms = conn->active_ms;
  /* One that takes what waits for it is not idle, nor is one end of a forward while bytes come from
   * the other. What the kernel took for a peer is no sign of it. */
  if (conn->flags & CONN_WRITING) since_ms = later(since_ms, whole_ms(conn->acked_ms, now_ms));
  if (conn->rare) since_ms = later(since_ms, conn_forward_active_ms(conn));
  if (conn->flags & CONN_PROBED) {
    uint64_t quiet_until_ms = due_quiet(conn, since_ms, now_ms);
    if (quiet_until_ms > now_ms) return quiet_until_ms;
    if (conn->flags & CONN_CLOSED) return 0;
  }
  return due_kind(conn, CONN_TIMEOUT_IDLE, since_ms, conn->group->idle_ms, now_ms);
}

void conn_probe(struct conn *conn) {
  if (conn->flags & (CONN_PROBED | CONN_CLOSING | CONN_CLOSED)) return;
  conn->flags |= CONN_PROBED;
  conn->wheel.mark = (uint32_t)(conn->active_ms - 1); /* it was not told yet */
  if (conn->group->idle_ms) conn_schedule(conn, conn->group->idle_ms / 2);
}

static uint64_t due_first(struct conn *conn, uint64_t now_ms) {
  uint64_t first_ms = conn->group->first_ms;
  if ((conn->flags & CONN_GREETED) || first_ms == 0) return 0;
  uint64_t since_ms = whole_ms(conn->wheel.mark, now_ms);
  return due_kind(conn, CONN_TIMEOUT_FIRST, since_ms, first_ms, now_ms);
}

static uint64_t due_request(struct conn *conn, uint64_t now_ms) {
  if (!(conn->flags & CONN_IN_REQUEST)) return 0;
  uint64_t since_ms = whole_ms(conn->rare->request_ms, now_ms);
  return due_kind(conn, CONN_TIMEOUT_REQUEST, since_ms, conn->group->request_ms, now_ms);
}

void conn_request_begun(struct conn *conn) {
  if (conn->flags & CONN_IN_REQUEST) return;
  if (!conn_need_rare(conn)) {
    conn_close_starved(conn);
    return;
  }
  conn->flags |= CONN_IN_REQUEST;
  conn->rare->request_ms = (uint32_t)net_loop_now_ms(conn->group->loop);
  if (conn->group->request_ms) conn_schedule(conn, conn->group->request_ms);
}

void conn_request_ended(struct conn *conn) {
  conn->flags &= ~(uint32_t)CONN_IN_REQUEST;
}

uint64_t conn_due(struct wheel_entry *entry, uint64_t now_ms) {
  struct conn *conn = LIST_ELEMENT(entry, struct conn, wheel);
  if (conn_is_told(conn, EVENT_ARRIVE)) conn_look(conn);
  if (was_reset(conn)) return 0;
  if (conn->flags & CONN_CLOSING) return due_closing(conn, now_ms);
  uint64_t next = due_handshake(conn, now_ms);
  if (conn->flags & CONN_CLOSED) return 0;
  next = sooner(next, due_write(conn, now_ms));
  next = sooner(next, due_first(conn, now_ms));
  next = sooner(next, due_request(conn, now_ms));
  next = sooner(next, due_idle(conn, now_ms));
  if (conn->flags & CONN_CLOSED) return 0;
  /* on_timeout() may have begun to close it, with deadlines of its own. */
  if (conn->flags & CONN_CLOSING) return due_closing(conn, now_ms);
  if (conn->flags & CONN_READING) return next;
  return sooner(next, now_ms + conn_look_ms(conn, now_ms));
}
