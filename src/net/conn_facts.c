/* net/conn_facts.c — what is known of a connection, and what follows from it. Changes nothing. */
#include "net/conn_state.h"

#include "net/loop_state.h"

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

bool conn_is_starved(const struct conn *conn) {
  return conn->flags & CONN_STARVED;
}

bool conn_peer_finished(const struct conn *conn) {
  return conn->flags & CONN_EOF_SEEN;
}

bool conn_has_opened(const struct conn *conn) {
  return conn->flags & CONN_OPENED;
}

bool conn_is_outgoing(const struct conn *conn) {
  return conn->flags & CONN_OUTGOING;
}

bool conn_finished(const struct conn *conn) {
  return (conn->flags & CONN_EOF_SEEN) && (conn->flags & CONN_FIN_WANTED);
}

bool conn_is_forwarding(const struct conn *conn) {
  return conn_target(conn) != NULL;
}

bool conn_is_forwarded_to(const struct conn *conn) {
  return conn_source(conn) != NULL;
}

uint64_t conn_forward_left(const struct conn *conn) {
  return conn->rare ? conn->rare->left : 0;
}

uint64_t conn_forward_passed(const struct conn *conn) {
  return conn->rare ? conn->rare->passed : 0;
}

/* What it receives goes to another, and what another receives comes to it. */
static bool forwards_both_ways(const struct conn *conn) {
  return conn_target(conn) && conn_source(conn);
}

/* Whether that which it is forwarded to takes no more now. */
static bool target_is_full(const struct conn *from) {
  const struct conn *to = conn_target(from);
  return to && (to->flags & CONN_ABOVE_HIGH);
}

/* Whoever does not take what we send is not read either: what he says would only add to it. But he may
 * take no more before he has said something, so not so where somebody else sees to the queue: who waits
 * for it to drain, or between two forwards the source, which is held instead. */
static bool is_full(const struct conn *conn) {
  if (!(conn->flags & CONN_ABOVE_HIGH) || (conn->flags & CONN_DRAIN_WANTED)) return false;
  return !forwards_both_ways(conn);
}

bool conn_wants_reading(const struct conn *conn) {
  if (conn->flags & (CONN_CLOSED | CONN_EOF_SEEN | CONN_OPENING)) return false;
  if (conn->flags & CONN_CLOSING) return true;
  return conn->holds == 0 && !is_full(conn) && !target_is_full(conn);
}

bool conn_is_paused(const struct conn *conn) {
  return (conn->holds & CONN_HOLD_CONSOLE) || (conn->flags & CONN_STEPPING);
}

const char *conn_held_by(const struct conn *conn) {
  if (conn->flags & (CONN_READING | CONN_EOF_SEEN | CONN_CLOSED | CONN_OPENING)) return NULL;
  return conn->holds & CONN_HOLD_CONSOLE  ? "console"
         : conn->holds & CONN_HOLD_SCRIPT ? "script"
         : is_full(conn)                  ? "output"
         : target_is_full(conn)           ? "forward"
                                          : "handler";
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

const struct sockaddr *conn_peer(const struct conn *conn, socklen_t *size) {
  *size = conn->peer.any.sa_family == AF_INET    ? sizeof conn->peer.ip4
          : conn->peer.any.sa_family == AF_INET6 ? sizeof conn->peer.ip6
                                                 : sizeof conn->peer.any.sa_family;
  return &conn->peer.any;
}

static const struct transport_facts *facts_of(const struct conn *conn) {
  return conn->lowest->ops->facts;
}

int conn_local(const struct conn *conn, struct sockaddr_storage *out, socklen_t *size) {
  *size = sizeof *out;
  if (!facts_of(conn)->local) return UV_ENOTSUP;
  return facts_of(conn)->local(conn->lowest, (struct sockaddr *)out, size);
}

int conn_peer_name(const struct conn *conn, struct sockaddr_storage *out, socklen_t *size) {
  *size = sizeof *out;
  if (!facts_of(conn)->peer) return UV_ENOTSUP;
  return facts_of(conn)->peer(conn->lowest, (struct sockaddr *)out, size);
}

int conn_tcp_info(const struct conn *conn, struct platform_tcp *out) {
  return facts_of(conn)->tcp_info ? facts_of(conn)->tcp_info(conn->lowest, out) : UV_ENOTSUP;
}

int conn_descriptor(const struct conn *conn) {
  return facts_of(conn)->descriptor ? facts_of(conn)->descriptor(conn->lowest) : UV_ENOTSUP;
}

size_t conn_unread_bytes(const struct conn *conn) {
  return transport_under_unread(&conn->stack.transport);
}

size_t conn_queue_bytes(const struct conn *conn) {
  return conn->output ? output_size(conn->output) : 0;
}

size_t conn_writing_bytes(const struct conn *conn) {
  return conn->flags & CONN_WRITING ? output_writing(conn->output)->size : 0;
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
