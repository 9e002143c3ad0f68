/* net/conn_look.c — what has come to a connection that is not read: while somebody watches, the kernel is
 * asked from time to time, and tells what changed. Knows nobody who watches. */
#include "net/conn_tell.h"

#include "base/platform.h"

#include <string.h>

enum {
  LOOK_MS = WHEEL_TICK_MS,
  LOOKS_MAX = 256, /* in a turn of the wheel; the others are looked at as seldom as ever */
};

/* What is known of a Unix socket, and of one in memory, is what can be read. */
static void read_info(const struct conn *conn, struct platform_tcp *out) {
  if (conn_tcp_info(conn, out) == 0) return;
  const size_t unread = conn_unread_bytes(conn);
  *out = (struct platform_tcp){.state = "", .unread = unread, .bytes_in = conn->bytes_in + unread};
}

/* FIN or RST has come behind what is not read; NULL: neither, as far as the kernel says. */
static const char *end_of(const struct conn *conn, const char *state) {
  if (strcmp(state, "close-wait") == 0 || strcmp(state, "last-ack") == 0) return "FIN";
  if (strcmp(state, "closing") == 0) return "FIN";
  if (strcmp(state, "closed") == 0) return conn->flags & CONN_FIN_SENT ? "FIN" : "RST";
  return NULL;
}

void conn_look(struct conn *conn) {
  struct platform_tcp info;
  if (!conn_held_by(conn) || !conn_need_rare(conn)) return;
  read_info(conn, &info);
  struct event event = {.kind = EVENT_ARRIVE, .source = EVENT_KERNEL};
  /* What was read while nobody looked had arrived, too. */
  const uint32_t news = (uint32_t)info.bytes_in - conn->rare->arrived;
  event.of.arrive.arrived = news < info.unread ? news : info.unread;
  event.of.arrive.waiting = info.unread;
  if (!(conn->flags & CONN_END_ARRIVED)) event.of.arrive.end = end_of(conn, info.state);
  conn->rare->arrived = (uint32_t)info.bytes_in;
  if (event.of.arrive.end) conn->flags |= CONN_END_ARRIVED;
  if (event.of.arrive.arrived > 0 || event.of.arrive.end) conn_tell(conn, &event);
}

uint64_t conn_look_ms(const struct conn *conn, uint64_t now_ms) {
  struct net_loop *loop = conn->group->loop;
  if (!conn_is_told(conn, EVENT_ARRIVE) || !conn_held_by(conn)) return HELD_LOOK_MS;
  if (loop->looks_ms != now_ms) loop->looks = 0;
  loop->looks_ms = now_ms;
  return ++loop->looks <= LOOKS_MAX ? LOOK_MS : HELD_LOOK_MS;
}
