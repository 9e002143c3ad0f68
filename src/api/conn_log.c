/* api/conn_log.c — what the log says of a connection that has ended. Knows no handler. */
#include "api/conn.h"

#include "api/runtime.h"
#include "base/address.h"
#include "base/text.h"
#include "net/conn_proxy.h"
#include "net/conn_tls.h"
#include "net/loop.h"

#include <inttypes.h>
#include <stdio.h>

enum {
  MINUTE_MS = 60 * 1000,
  LINES_PER_MINUTE = 10, /* of one kind; what is beyond is counted */
};

static void tell_starved(struct runtime *runtime, const struct conn *conn) {
  static const char text[] =
      "not enough memory for what the connection has to send or keep: it ends";
  runtime_log(runtime, LOG_ERROR, conn_id(conn), text, sizeof text - 1);
}

/* One that a listener of the service accepted. */
static void tell_access(struct runtime *runtime, const struct conn *conn, enum reason reason) {
  char peer[ADDRESS_TEXT_MAX], via[ADDRESS_TEXT_MAX] = "", text[3 * ADDRESS_TEXT_MAX + 160];
  struct conn_counters counters;
  socklen_t size;
  const struct sockaddr *proxy = conn_via(conn, &size);
  if (proxy) address_from_sockaddr(proxy, size, via, sizeof via);
  const struct sockaddr *address = conn_peer(conn, &size);
  address_from_sockaddr(address, size, peer, sizeof peer);
  conn_counters(conn, &counters);
  const struct log_access access = {
      .peer = peer,
      .via = proxy ? via : NULL,
      .listener = runtime->listeners[conn_listener_index(conn)],
      .reason = reason_name(reason),
      .bytes_in = counters.bytes_in,
      .bytes_out = counters.bytes_out,
      .age_ms = counters.age_ms,
  };
  int length = snprintf(text, sizeof text,
                        "%s%s%s at %s: %s after %.3f s, %" PRIu64 " byte%s in, %" PRIu64 " out",
                        access.peer, proxy ? " via " : "", via, access.listener, access.reason,
                        (double)access.age_ms / 1000, access.bytes_in, text_plural(access.bytes_in),
                        access.bytes_out);
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

/* Whether the log is to have one more line of those of which there may be any number. */
static bool may_tell(const struct runtime *runtime, struct told_tls *told) {
  uint64_t now_ms = net_loop_now_ms(runtime->loop);
  if (told->since_ms == 0 || now_ms - told->since_ms >= MINUTE_MS) {
    told->since_ms = now_ms;
    told->lines = 0;
  }
  if (told->lines++ < LINES_PER_MINUTE) return true;
  told->dropped++;
  return false;
}

static void tell_fault(struct runtime *runtime, struct told_tls *told, const struct conn *conn,
                       const char *what, const char *fault) {
  char peer[ADDRESS_TEXT_MAX], dropped[80] = "", text[3 * ADDRESS_TEXT_MAX];
  socklen_t size;
  if (!may_tell(runtime, told)) return;
  if (told->dropped > 0) {
    snprintf(dropped, sizeof dropped, " (%" PRIu64 " more were not told)", told->dropped);
  }
  told->dropped = 0;
  const struct sockaddr *address = conn_peer(conn, &size);
  address_from_sockaddr(address, size, peer, sizeof peer);
  int length = snprintf(text, sizeof text, "%s at %s: %s: %s%s", peer,
                        runtime->listeners[conn_listener_index(conn)], what, fault, dropped);
  runtime_log(runtime, LOG_WARN, conn_id(conn), text,
              (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* Of a connection that no script knows, nobody else tells; of others, none says why. One that ends
 * without a word is somebody who only looks whether the port is open. */
static void tell_tls_end(struct runtime *runtime, const struct conn *conn, enum reason reason) {
  struct conn_tls tls;
  bool is_late = reason == REASON_HANDSHAKE_TIMEOUT;
  if (conn_listener_index(conn) == CONN_NO_LISTENER || !conn_tls(conn, &tls)) return;
  if (!conn_is_of_client(conn)) return; /* a proxy's own, or one whose header is at fault */
  if (is_late || (reason == REASON_HANDSHAKE && tls.has_heard)) {
    runtime->failed_handshakes++;
    const char *fault = tls.fault ? tls.fault : "memory was out";
    tell_fault(runtime, &runtime->told_tls, conn, "the TLS handshake failed",
               is_late ? "not done within timeouts.handshake" : fault);
  } else if (reason == REASON_RESET && tls.fault) {
    tell_fault(runtime, &runtime->told_tls, conn, "TLS failed", tls.fault);
  }
}

void api_log_closing(const struct api_conn *self, const char *fault, size_t message_max) {
  char text[300];
  int size = snprintf(text, sizeof text, "closing the connection: %s", fault);
  if (message_max > 0) {
    size += snprintf(text + size, sizeof text - (size_t)size, " (limits.message is %zu byte%s)",
                     message_max, text_plural(message_max));
  }
  runtime_log(self->runtime, LOG_WARN, self->id, text, (size_t)size);
}

void api_log_refused(struct runtime *runtime, const struct conn *conn, unsigned status,
                     const char *fault) {
  char what[40];
  if (conn_listener_index(conn) == CONN_NO_LISTENER) return;
  snprintf(what, sizeof what, "a request is refused with %u", status);
  tell_fault(runtime, &runtime->told_requests, conn, what, fault);
}

void api_conn_log_end(struct runtime *runtime, const struct conn *conn, enum reason reason) {
  tell_tls_end(runtime, conn, reason);
  if (conn_is_starved(conn)) tell_starved(runtime, conn);
  if (!runtime->access_log || conn_listener_index(conn) == CONN_NO_LISTENER) return;
  if (!conn_is_of_client(conn) && !conn_has_opened(conn)) return; /* it never was anybody's */
  tell_access(runtime, conn, reason);
}
