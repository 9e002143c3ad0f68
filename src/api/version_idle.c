/* api/version_idle.c — which connections a version that drains closes at once: those that have
 * requests, and none under way.
 *
 * Who waits for another request would wait until the deadline. Who has just connected is about to
 * ask, and is closed when a second has passed without a byte. */
#include "api/conn.h"
#include "api/runtime.h"
#include "api/version.h"
#include "net/loop.h"
#include "net/timer.h"

enum { PATIENCE_MS = 1000 };

static void version_on_patience(void *owner) {
  struct version *version = owner;
  net_timer_close(version->patience);
  version->patience = NULL;
  version_close_idle(version, version->runtime->draining ? REASON_SHUTDOWN : REASON_RELOAD);
}

bool version_spares(struct version *version, const struct conn *conn) {
  struct conn_counters counters;
  if (!version->receiver->requests) return false;
  conn_counters(conn, &counters);
  if (counters.bytes_in > 0 || counters.age_ms >= PATIENCE_MS) return false;
  if (!version->patience) {
    version->patience =
        net_timer_open(version->runtime->loop, PATIENCE_MS, 0, version_on_patience, version);
  }
  return version->patience;
}

static void close_if_idle(struct conn *conn, void *context) {
  const struct cohort *cohort = conn_group_of(conn)->owner;
  const struct api_conn *self = conn_owner(conn);
  const struct request_hooks *hooks =
      self ? api_requests_of(self) : cohort->version->receiver->requests;
  if (!hooks || conn_is_closing(conn) || conn_unread_bytes(conn) > 0) return;
  if (self && !hooks->is_idle(self)) return;
  if (!version_spares(cohort->version, conn)) conn_close(conn, *(const enum reason *)context);
}

void version_close_idle(struct version *version, enum reason reason) {
  if (!version->cohort || !version->receiver->requests) return;
  conn_group_each(&version->cohort->group, close_if_idle, &reason);
  net_loop_flush(version->runtime->loop);
}

void versions_close_idle(struct runtime *runtime) {
  LIST_EACH (struct version, version, &runtime->versions, link)
    version_close_idle(version, REASON_SHUTDOWN);
}
