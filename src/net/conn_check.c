/* net/conn_check.c — what always holds of a connection, between two events. Not in a release. */
#include "net/conn_state.h"

#include <assert.h>

#ifndef NDEBUG
static bool implies(bool a, bool b) {
  return !a || b;
}

static bool has(const struct conn *conn, uint32_t flag) {
  return conn->flags & flag;
}

static void check_forwarding(const struct conn *conn) {
  const struct conn *to = conn->rare ? conn->rare->to : NULL;
  const struct conn *from = conn->rare ? conn->rare->from : NULL;
  assert(implies(to, to && to->rare && to->rare->from == conn));
  assert(implies(from, from && from->rare && from->rare->to == conn));
}

void conn_check(const struct conn *conn) {
  check_forwarding(conn);
  assert(implies(has(conn, CONN_CLOSED), !conn->output && !has(conn, CONN_WRITING)));
  if (has(conn, CONN_CLOSED)) return;
  assert(implies(has(conn, CONN_WRITING), conn->output != NULL));
  assert(implies(has(conn, CONN_FIN_SENT), has(conn, CONN_FIN_WANTED)));
  assert(implies(has(conn, CONN_CLOSING), has(conn, CONN_FIN_WANTED)));
  assert(implies(has(conn, CONN_OPENED), !list_empty(&conn->group_link)));
  if (has(conn, CONN_DIRTY)) return; /* what was asked for follows when it is flushed */
  assert(has(conn, CONN_READING) == conn_wants_reading(conn));
  assert(implies(conn->output, has(conn, CONN_WRITING))); /* else nobody would go on with it */
  assert(implies(has(conn, CONN_ABOVE_HIGH), has(conn, CONN_WRITING)));
  assert(implies(conn_queue_bytes(conn) > conn->group->queue_high, has(conn, CONN_ABOVE_HIGH)));
}
#endif
