/* net/conn_tell.c — what happens on a connection, told to those who watch — does not know them.
 *
 * Observed is what a system call of ours did or returned. What TCP_INFO says is the kernel's word,
 * an event of its own. That close(2) sends FIN, or RST when bytes are left unread, nobody says: it
 * is inferred from what the kernel had just before. */
#include "net/conn_tell.h"

#include "base/address.h"
#include "base/platform.h"

#include <stdlib.h>
#include <string.h>

void conn_tell(struct conn *conn, struct event *event) {
  if (!conn->group->script) return;
  event->conn = conn->id;
  event->script = conn->group->script;
  tap_emit(&conn->group->loop->tap, event);
}

/* The addresses of both ends, as text. */
struct ends {
  char peer[ADDRESS_TEXT_MAX];
  char local[ADDRESS_TEXT_MAX];
};

static void read_ends(const struct conn *conn, struct ends *out) {
  struct sockaddr_storage address;
  socklen_t size;
  const struct sockaddr *peer = conn_peer(conn, &size);
  address_from_sockaddr(peer, size, out->peer, sizeof out->peer);
  out->local[0] = '\0';
  if (conn_local(conn, &address, &size) < 0) return;
  address_from_sockaddr((struct sockaddr *)&address, size, out->local, sizeof out->local);
}

/* Whether it was just told, at the peer's end. */
static bool is_known(const struct conn *conn, const struct platform_tcp *info) {
  const struct told_tcp *told = &conn->group->loop->told_tcp;
  return told->conn == conn->id && told->is_end && memcmp(&told->info, info, sizeof *info) == 0;
}

/* Nothing on a Unix socket, of which the kernel tells nothing. */
static void tell_tcp(struct conn *conn, const char *at) {
  struct platform_tcp info;
  if (!conn_is_told(conn, EVENT_TCP)) return;
  if (conn_tcp_info(conn, &info) < 0 || is_known(conn, &info)) return;
  conn->group->loop->told_tcp =
      (struct told_tcp){.conn = conn->id, .is_end = strcmp(at, "eof") == 0, .info = info};
  struct event event = {.kind = EVENT_TCP, .source = EVENT_KERNEL};
  event.of.tcp.at = at;
  event.of.tcp.state = info.state;
  event.of.tcp.rtt_us = info.rtt_us;
  event.of.tcp.rtt_variation_us = info.rtt_variation_us;
  event.of.tcp.retransmits = info.retransmits;
  event.of.tcp.unacked = info.unacked;
  event.of.tcp.lost = info.lost;
  event.of.tcp.congestion_window = info.congestion_window;
  event.of.tcp.send_mss = info.send_mss;
  event.of.tcp.receive_space = info.receive_space;
  event.of.tcp.receive_window = info.receive_window;
  event.of.tcp.peer_window = info.peer_window;
  event.of.tcp.unread = info.unread;
  event.of.tcp.in_flight = info.in_flight;
  event.of.tcp.unsent = info.unsent;
  conn_tell(conn, &event);
}

void conn_tell_begin(struct conn *conn, enum event_kind kind) {
  if (conn_is_told(conn, kind)) {
    struct ends ends;
    read_ends(conn, &ends);
    struct event event = {.kind = kind};
    event.of.accept.peer = ends.peer; /* connect has the same two */
    event.of.accept.local = ends.local;
    conn_tell(conn, &event);
  }
  tell_tcp(conn, event_kinds[kind].name);
}

void conn_tell_open(struct conn *conn, struct tap_watcher *watcher) {
  struct ends ends;
  struct conn_counters counters;
  read_ends(conn, &ends);
  conn_counters(conn, &counters);
  struct event event = {.kind = EVENT_OPEN};
  event.of.open.peer = ends.peer;
  event.of.open.local = ends.local;
  event.of.open.age_ms = counters.age_ms;
  event.of.open.bytes_in = counters.bytes_in;
  event.of.open.bytes_out = counters.bytes_out;
  event.conn = conn->id;
  event.script = conn->group->script;
  tap_tell(&conn->group->loop->tap, watcher, &event);
}

void conn_tell_data(struct conn *conn, const char *bytes, size_t size) {
  struct event event = {.kind = EVENT_DATA, .bytes = bytes, .kept = size, .size = size};
  event.of.data.to = "script";
  if (conn_is_forwarding(conn)) event.of.data.to = "forward";
  if (conn->flags & CONN_CLOSING) event.of.data.to = "nobody";
  conn_tell(conn, &event);
}

static void tell_sent_part(struct conn *conn, struct event *event, size_t offset) {
  char few[512];
  const struct tap *tap = &conn->group->loop->tap;
  size_t wanted = event->size < tap->bytes_max ? event->size : tap->bytes_max;
  char *bytes = wanted <= sizeof few ? few : malloc(wanted);
  event->kept = bytes ? wanted : 0;
  if (event->kept > 0) output_read(conn->output, offset, event->kept, bytes);
  event->bytes = bytes;
  conn_tell(conn, event);
  event->bytes = NULL;
  if (bytes != few) free(bytes);
}

void conn_tell_send(struct conn *conn, size_t size, const char *by,
                    const struct event_place *place) {
  size_t offset = conn_queue_bytes(conn) - size;
  do {
    size_t part = size < EVENT_BYTES_MAX ? size : EVENT_BYTES_MAX;
    struct event event = {.kind = EVENT_SEND, .size = part};
    event.of.send.by = by;
    event.of.send.file = place ? place->file : NULL;
    event.of.send.line = place ? place->line : 0;
    event.of.send.rest = size - part;
    tell_sent_part(conn, &event, offset);
    offset += part;
    size -= part;
  } while (size > 0);
}

void conn_tell_flush(struct conn *conn, size_t taken, bool waited) {
  struct event event = {.kind = EVENT_FLUSH};
  event.of.flush.taken = taken;
  event.of.flush.left = conn_queue_bytes(conn);
  event.of.flush.when = waited ? "later" : "at once";
  conn_tell(conn, &event);
}

static void tell_pause(struct conn *conn) {
  struct event event = {.kind = EVENT_PAUSE};
  event.of.pause.by = conn_held_by(conn);
  conn_tell(conn, &event);
}

void conn_tell_plain(struct conn *conn, enum event_kind kind) {
  conn_tell(conn, &(struct event){.kind = kind});
}

void conn_tell_reading(struct conn *conn) {
  bool reads = conn->flags & CONN_READING;
  if (!conn_is_told(conn, reads ? EVENT_RESUME : EVENT_PAUSE)) return;
  if (reads) {
    conn_tell_plain(conn, EVENT_RESUME);
  } else {
    tell_pause(conn);
  }
}

void conn_tell_fault(struct conn *conn, const char *fault, const char *detail) {
  struct event event = {.kind = EVENT_FAULT};
  event.of.fault.fault = fault;
  event.of.fault.detail = detail;
  conn_tell(conn, &event);
}

void conn_tell_forward(struct conn *from, const struct conn *to) {
  struct event event = {.kind = EVENT_FORWARD};
  event.of.forward.to = to->id;
  conn_tell(from, &event);
}

void conn_tell_drain(struct conn *conn) {
  struct event event = {.kind = EVENT_DRAIN};
  event.of.drain.left = conn_queue_bytes(conn);
  conn_tell(conn, &event);
}

/* Whether the kernel has given the connection up: then nothing is sent any more, not even FIN. */
static bool is_dead(const struct conn *conn) {
  struct platform_tcp info;
  return conn_tcp_info(conn, &info) == 0 && strcmp(info.state, "closed") == 0;
}

/* libuv reports an end of file also when RST came right behind the last bytes. Without a FIN of
 * ours, only RST brings the kernel's state there. */
void conn_tell_eof(struct conn *conn) {
  bool was_reset = !(conn->flags & CONN_FIN_SENT) && is_dead(conn);
  if (was_reset && conn_is_told(conn, EVENT_RESET)) {
    struct event event = {.kind = EVENT_RESET, .source = EVENT_INFERRED};
    event.of.reset.by = "peer";
    conn_tell(conn, &event);
  } else if (!was_reset && conn_is_told(conn, EVENT_EOF)) {
    conn_tell_plain(conn, EVENT_EOF);
  }
  tell_tcp(conn, "eof");
}

void conn_tell_timeout(struct conn *conn, const char *timer) {
  struct event event = {.kind = EVENT_TIMEOUT};
  event.of.timeout.timer = timer;
  conn_tell(conn, &event);
}

void conn_tell_failed(struct conn *conn, int rc) {
  struct event event = {.kind = EVENT_RESET};
  bool by_peer = rc == UV_ECONNRESET || rc == UV_EPIPE;
  event.of.reset.by = by_peer ? "peer" : "network";
  event.of.reset.error = uv_err_name(rc);
  conn_tell(conn, &event);
}

/* What close(2) makes the kernel send, which depends on what was read. */
static void tell_implied_end(struct conn *conn) {
  struct event event = {.source = EVENT_INFERRED};
  if (is_dead(conn)) return;
  size_t unread = conn_unread_bytes(conn);
  if (conn->peer.any.sa_family != AF_UNIX && unread > 0) {
    event.kind = EVENT_RESET;
    event.of.reset.by = "us";
    event.of.reset.unread = unread;
  } else if (!(conn->flags & CONN_FIN_SENT)) {
    event.kind = EVENT_SHUTDOWN;
  } else {
    return;
  }
  if (conn_is_told(conn, event.kind)) conn_tell(conn, &event);
}

/* Who sent the first FIN has what is left of the connection when both have. It is there before close(2), for
 * the kernel has parted it from the socket. */
static void tell_time_wait(struct conn *conn) {
  struct net_loop *loop = conn->group->loop;
  struct sockaddr_storage local;
  socklen_t size;
  struct ends ends;
  const uint32_t both = CONN_FIN_SENT | CONN_EOF_SEEN;
  if ((conn->flags & (both | CONN_PEER_FIRST)) != both) return;
  if (conn->peer.any.sa_family == AF_UNIX || loop->knows_no_time_wait) return;
  if (conn_proxy_of(conn)) return; /* it is the proxy's, and `peer` is not */
  if (conn_local(conn, &local, &size) < 0) return;
  struct event event = {.kind = EVENT_TIME_WAIT, .source = EVENT_KERNEL};
  int rc =
      platform_time_wait((struct sockaddr *)&local, &conn->peer.any, &event.of.time_wait.left_ms);
  if (rc < 0) loop->knows_no_time_wait = true;
  if (rc <= 0) return;
  read_ends(conn, &ends);
  event.of.time_wait.local = ends.local;
  event.of.time_wait.peer = ends.peer;
  conn_tell(conn, &event);
}

/* Who said first that it is over; NULL: nobody, the network gave up. */
static const char *first_of(const struct conn *conn) {
  if (conn->flags & CONN_PEER_FIRST) return "peer";
  return conn->reason == REASON_RESET && !(conn->flags & CONN_FIN_SENT) ? NULL : "us";
}

void conn_tell_close(struct conn *conn, bool with_rst) {
  struct conn_counters counters;
  conn_counters(conn, &counters);
  tell_tcp(conn, "close");
  if (with_rst && conn_is_told(conn, EVENT_RESET)) {
    struct event event = {.kind = EVENT_RESET};
    event.of.reset.by = "us";
    conn_tell(conn, &event);
  } else if (!with_rst && conn->reason != REASON_RESET) {
    tell_implied_end(conn);
  }
  if (conn_is_told(conn, EVENT_TIME_WAIT)) tell_time_wait(conn);
  if (!conn_is_told(conn, EVENT_CLOSE)) return;
  struct event event = {.kind = EVENT_CLOSE};
  event.of.close.reason = reason_name((enum reason)conn->reason);
  event.of.close.first = first_of(conn);
  event.of.close.bytes_in = counters.bytes_in;
  event.of.close.bytes_out = counters.bytes_out;
  event.of.close.age_ms = counters.age_ms;
  conn_tell(conn, &event);
}
