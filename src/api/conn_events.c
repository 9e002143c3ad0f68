/* api/conn_events.c — what happens to a connection that has handlers — does not receive its bytes. */
#include "api/conn.h"
#include "api/inbox.h"
#include "api/membership.h"
#include "api/runtime.h"
#include "api/timer.h"
#include "api/websocket.h"
#include "net/conn_proxy.h"

static struct runtime *runtime_for(const struct conn *conn) {
  const struct cohort *cohort = conn_group_of(conn)->owner;
  return cohort->runtime;
}

static struct version *version_for(const struct conn *conn) {
  const struct cohort *cohort = conn_group_of(conn)->owner;
  return cohort->version;
}

/* The handlers that `conn` has now. */
static const struct service *service_for(const struct conn *conn) {
  return &version_for(conn)->service;
}

/* The same of what is told of a WebSocket only, where they are, and `conn` is none yet. */
static bool has_event(const struct conn *conn, enum handler handler) {
  const struct api_conn *self = conn_owner(conn);
  const struct service *service = service_for(conn);
  bool is_early = service->protocol == PROTOCOL_WEBSOCKET && !(self && self->is_websocket);
  return !is_early && service_has(service, handler);
}

static void conn_on_open(struct conn *conn) {
  struct runtime *runtime = runtime_for(conn);
  bool opens = has_event(conn, HANDLER_ON_OPEN);
  bool has_main = has_event(conn, HANDLER_MAIN);
  if (runtime->draining) (void)version_spares(version_for(conn), conn);
  if (!opens && !has_main) return;
  struct api_conn *self = api_conn_of(runtime, conn);
  if (!self) return;
  self->pending &= (uint8_t)~PENDING_RELOAD; /* that came within its handshake: it knows no other */
  if (has_main) self->pending |= PENDING_MAIN;
  if (opens) api_run_handler(self, HANDLER_ON_OPEN, NULL);
  api_conn_deliver(self);
}

static void conn_on_secured(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (!self) return;
  if (self->more->inbox) api_wait_wake(&self->more->inbox->drainer);
  api_conn_deliver(self);
}

static void conn_on_eof(struct conn *conn) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  if (!self && !has_event(conn, HANDLER_ON_EOF)) {
    conn_close(conn, REASON_EOF);
    return;
  }
  if (!self) self = api_conn_of(runtime, conn);
  if (!self) return;
  self->pending |= PENDING_EOF;
  if (self->more->inbox) api_wait_wake(&self->more->inbox->reader);
  api_conn_deliver(self);
}

static void conn_on_drain(struct conn *conn, bool crossed) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool wanted = crossed && has_event(conn, HANDLER_ON_DRAIN);
  if (!self && wanted) self = api_conn_of(runtime, conn);
  if (!self) return;
  if (wanted) self->pending |= PENDING_DRAIN;
  if (self->more->inbox) api_wait_wake(&self->more->inbox->drainer);
  api_conn_deliver(self);
}

static bool reads(const struct api_conn *self) {
  return self && api_is_read(self);
}

/* Whether a connection without a frame and without `main` has got as far as its script asks: bytes
 * came, and the handler that got them has ended, or has answered. One that goes on reading does not
 * have all of its first message yet. */
static bool has_greeted(const struct conn *conn) {
  struct conn_counters counters;
  conn_counters(conn, &counters);
  if (conn_group_of(conn)->greets_itself || counters.bytes_in == 0) return false;
  return counters.messages_out > 0 || conn_is_forwarding(conn) || !reads(conn_owner(conn));
}

/* Nothing whole came in time. Who waits for the rest may say so to the peer, before it closes. */
static void end_for_first(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  self->is_late = true;
  api_wait_time_out(&self->more->inbox->reader);
  conn_close(conn, REASON_IDLE);
}

static void conn_on_timeout(struct conn *conn, enum conn_timeout kind) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool has_handler = service_has(service_for(conn), HANDLER_ON_TIMEOUT);
  if (kind == CONN_TIMEOUT_FIRST && has_greeted(conn)) {
    conn_greeted(conn);
    return;
  }
  if (kind == CONN_TIMEOUT_FIRST && reads(self)) {
    end_for_first(conn);
    return;
  }
  const struct request_hooks *requests = self ? api_requests_of(self) : NULL;
  if (kind == CONN_TIMEOUT_REQUEST) {
    if (requests) requests->timed_out(self);
    return;
  }
  /* Its handler may have gone, and its answer goes on. */
  if (requests && kind == CONN_TIMEOUT_IDLE && self->more->http.phase == HTTP_EVENTS) return;
  /* A handler that waits for these very bytes is told by what it called. */
  if (self && self->more->inbox && kind == CONN_TIMEOUT_IDLE &&
      api_wait_time_out(&self->more->inbox->reader)) {
    api_conn_update(self);
    return;
  }
  if (self && self->more->inbox && kind == CONN_TIMEOUT_WRITE && has_handler &&
      api_wait_time_out(&self->more->inbox->drainer)) {
    api_conn_update(self);
    return;
  }
  /* A handler that waits for something else is why nothing moves; it is asked again later. */
  if (self && self->busy && (has_handler || kind != CONN_TIMEOUT_WRITE)) return;
  if (!has_handler) {
    api_end_for_timeout(conn, kind);
    return;
  }
  if (!self) self = api_conn_of(runtime, conn);
  if (!self) return;
  api_conn_deliver(self);
  if (self->busy || conn_is_closing(conn)) return;
  self->timeout = kind;
  api_run_handler(self, HANDLER_ON_TIMEOUT, conn_timeout_name(kind));
  api_conn_deliver(self);
}

void api_conn_detach(struct api_conn *self, const struct conn *conn) {
  const uint64_t forwarded = conn_forward_passed(conn);
  if (forwarded > 0 && api_need_more(self)) self->more->forwarded = forwarded;
  self->conn = NULL;
  api_membership_end_all(self);
  api_end_conn_timers(self);
  if (self->more->inbox) api_wait_wake(&self->more->inbox->reader);
  if (self->more->inbox)
    api_wait_wake(&self->more->inbox->drainer); /* who was woken may have let it go */
}

static void conn_on_close(struct conn *conn, enum reason reason) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool tells = conn_has_opened(conn) && has_event(conn, HANDLER_ON_CLOSE);
  if (conn_is_counted(conn)) runtime->closed[reason]++;
  api_conn_log_end(runtime, conn, reason);
  if (!self && tells) self = api_conn_of(runtime, conn);
  if (self) {
    self->cohort->closing++;
    if (self->busy || tells) api_conn_remember(self, reason);
    api_conn_detach(self, conn);
    /* Last: once it is told, the object may be collected. */
    self->pending = (uint8_t)(PENDING_CLOSE | (self->pending & (PENDING_RELOAD | PENDING_OPEN)));
    api_conn_deliver(self);
  }
  versions_changed(runtime);
  vm_stir(runtime->vm);
  runtime->on_room(runtime->context, conn);
}

const struct conn_events api_conn_events = {
    .on_open = conn_on_open,
    .on_secured = conn_on_secured,
    .on_data = api_receive_first,
    .on_forwarded = api_conn_forwarded,
    .on_eof = conn_on_eof,
    .on_drain = conn_on_drain,
    .on_timeout = conn_on_timeout,
    .on_quiet = api_websocket_quiet,
    .on_closing = api_websocket_closing,
    .on_close = conn_on_close,
};
