/* api/conn_log.c — what the log says of a connection that has ended. Knows no handler. */
#include "api/conn.h"

#include "api/runtime.h"
#include "base/address.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

static void tell_starved(struct runtime *runtime, const struct conn *conn) {
  static const char text[] =
      "not enough memory for what the connection has to send or keep: it ends";
  runtime_log(runtime, LOG_ERROR, conn_id(conn), text, sizeof text - 1);
}

/* One that a listener of the service accepted. */
static void tell_access(struct runtime *runtime, const struct conn *conn, enum reason reason) {
  char peer[ADDRESS_TEXT_MAX], text[2 * ADDRESS_TEXT_MAX + 160];
  struct conn_counters counters;
  socklen_t size;
  const struct sockaddr *address = conn_peer(conn, &size);
  address_from_sockaddr(address, size, peer, sizeof peer);
  conn_counters(conn, &counters);
  const struct log_access access = {
      .peer = peer,
      .listener = runtime->listeners[conn_listener_index(conn)],
      .reason = reason_name(reason),
      .bytes_in = counters.bytes_in,
      .bytes_out = counters.bytes_out,
      .age_ms = counters.age_ms,
  };
  int length = snprintf(text, sizeof text,
                        "%s at %s: %s after %.3f s, %" PRIu64 " byte%s in, %" PRIu64 " out",
                        access.peer, access.listener, access.reason, (double)access.age_ms / 1000,
                        access.bytes_in, text_plural(access.bytes_in), access.bytes_out);
  const struct log_record record = {
      .level = LOG_INFO,
      .script = runtime->script,
      .conn = conn_id(conn),
      .access = &access,
      .message = text,
      .message_size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1,
  };
  log_write(runtime->log, &record);
}

void api_conn_log_end(struct runtime *runtime, const struct conn *conn, enum reason reason) {
  if (conn_is_starved(conn)) tell_starved(runtime, conn);
  if (!runtime->access_log || conn_listener_index(conn) == CONN_NO_LISTENER) return;
  tell_access(runtime, conn, reason);
}
