/* net/conn_forward.c — bytes from one connection to another without going up. Knows no owner.
 *
 * What `from` receives is written to `to` straight from the read buffer, or, where it is much, from a
 * pipe, without a copy in our memory; what the kernel does not take is queued there, and above its
 * high-water mark `from` is not read. The end goes along: FIN becomes FIN, a broken connection breaks
 * the other. */
#include "net/conn_state.h"

#include "net/conn_tell.h"

#include <stdlib.h>

/* Something may still come through it. */
static bool is_part(const struct conn *conn) {
  const struct conn *from = conn_source(conn);
  if (from && !(from->flags & CONN_EOF_SEEN)) return true;
  return conn_target(conn) && !(conn->flags & CONN_EOF_SEEN);
}

/* Closes one without an owner when nothing can come through it any more. */
static void end_orphan(struct conn *conn) {
  if ((conn->flags & CONN_ORPHAN) && !is_part(conn)) conn_close(conn, REASON_CLOSED);
}

static int begin(struct conn *from, struct conn *to, uint64_t left) {
  if (conn_is_closing(from) || (to->flags & (CONN_FIN_WANTED | CONN_CLOSED))) return UV_EPIPE;
  if (!conn_need_rare(from) || !conn_need_rare(to)) return UV_ENOMEM;
  if (conn_source(to) && conn_source(to) != from) return UV_EBUSY;
  struct conn *before = conn_target(from);
  if (before) before->rare->from = NULL;
  from->rare->to = to;
  from->rare->left = left;
  from->rare->passed = 0;
  from->receiver = conn_forward_bytes;
  to->rare->from = from;
  if (before && before != to) {
    conn_update_reading(before);
    end_orphan(before);
  }
  if (conn_is_told(from, EVENT_FORWARD)) conn_tell_forward(from, to);
  /* What ended before is passed on now. */
  if (from->flags & CONN_EOF_SEEN) conn_forward_eof(from);
  conn_update_reading(from);
  conn_update_reading(to);
  conn_update_room(from);
  return 0;
}

int conn_forward(struct conn *from, struct conn *to) {
  return begin(from, to, FORWARD_ALL);
}

int conn_forward_part(struct conn *from, struct conn *to, uint64_t size) {
  return begin(from, to, size);
}

void conn_forward_stop(struct conn *from) {
  struct conn *to = conn_target(from);
  if (!to) return;
  to->rare->from = NULL;
  from->rare->to = NULL;
  from->receiver = from->group->events->on_data;
  conn_update_reading(to);
  conn_update_reading(from);
  conn_update_room(from);
}

static bool is_in_part(const struct conn *from) {
  return conn_target(from) && from->rare->left != FORWARD_ALL;
}

/* Its owner has it again, and gets the bytes that are left. */
static void hand_back(struct conn *from, const char *bytes, size_t size) {
  conn_forward_stop(from);
  if (from->group->events->on_forwarded) from->group->events->on_forwarded(from);
  if (size > 0 && !(from->flags & (CONN_CLOSING | CONN_CLOSED))) from->receiver(from, bytes, size);
}

/* All of it is for `to`, and nobody watches. */
static void forward_piped(struct conn *from, struct conn *to, size_t size) {
  const char *bytes;
  from->rare->passed += size;
  if (!conn_send_piped(to, &bytes, &size)) return;
  if (conn_send_borrowed(to, bytes, size) == 0) conn_flush(to);
}

void conn_forward_bytes(struct conn *from, const char *bytes, size_t size) {
  struct conn_rare *forwarding = from->rare;
  struct conn *to = forwarding->to;
  const bool in_part = is_in_part(from);
  const size_t part = size > forwarding->left ? (size_t)forwarding->left : size;
  if (conn_send_begin(to) < 0) { /* the other end of it takes no more */
    if (in_part) {
      hand_back(from, bytes, size);
    } else {
      conn_close(from, REASON_CLOSED);
    }
    return;
  }
  if (!bytes) {
    forward_piped(from, to, size);
    return;
  }
  if (conn_send_borrowed(to, bytes, part) < 0) return;
  forwarding->passed += part;
  if (in_part) forwarding->left -= part;
  if (conn_is_told(to, EVENT_SEND)) conn_tell_send(to, part, "forward", NULL);
  conn_flush(to);
  if (in_part && forwarding->left == 0) hand_back(from, bytes + part, size - part);
}

uint64_t conn_forward_active_ms(const struct conn *conn) {
  const struct conn *to = conn_target(conn);
  const struct conn *from = conn_source(conn);
  uint64_t to_ms = to ? to->active_ms : 0;
  uint64_t from_ms = from ? from->active_ms : 0;
  return to_ms > from_ms ? to_ms : from_ms;
}

bool conn_forward_eof(struct conn *from) {
  struct conn *to = conn_target(from);
  if (!to) return false;
  if (is_in_part(from)) { /* whose end it is, its owner says */
    conn_forward_stop(from);
    return false;
  }
  conn_shutdown(to);
  if (conn_finished(from)) conn_close(from, REASON_EOF); /* its own FIN went out before */
  end_orphan(from);
  end_orphan(to);
  net_loop_flush(to->group->loop);
  return conn_source(from) != NULL; /* else nothing comes back, and its owner should know */
}

/* Ends `other` with `gone`, unless it had its end already, and an owner who will see to the rest. */
static void end_other(struct conn *other, const struct conn *gone, bool ended) {
  if (gone->reason == REASON_RESET) {
    conn_reset(other, REASON_RESET);
  } else if (!ended || !other->owner) {
    conn_close(other, REASON_CLOSED);
  }
}

void conn_forward_end(struct conn *conn) {
  struct conn *to = conn_target(conn);
  struct conn *from = conn_source(conn);
  const bool was_part = is_in_part(conn);
  conn->rare->to = conn->rare->from = NULL;
  if (to && to != conn) {
    to->rare->from = NULL;
    if (!was_part) end_other(to, conn, conn->flags & CONN_EOF_SEEN); /* then FIN went along */
    conn_update_reading(to);
  }
  if (!from || from == conn) return;
  if (is_in_part(from)) {
    hand_back(from, "", 0);
    return;
  }
  from->rare->to = NULL;
  end_other(from, conn, from->flags & CONN_EOF_SEEN);
}

void conn_abandon(struct conn *conn) {
  conn->owner = NULL;
  conn->flags |= CONN_ORPHAN;
  conn->holds = conn->holds & CONN_HOLD_CONSOLE;
  conn_update_reading(conn);
  end_orphan(conn);
}
