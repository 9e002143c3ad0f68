/* api/conn_sequential.c — events of a connection that has no handlers: one that a program connected
 * or accepted itself, and reads with recv().
 *
 * It is read only while somebody waits for bytes, so that what nobody asks for stays in the kernel,
 * and in the end with the peer. The peer's FIN does not close it. */
#include "api/conn.h"
#include "api/inbox.h"
#include "api/runtime.h"
#include "api/websocket.h"

static void sequential_on_open(struct conn *conn) {
  struct api_conn *self = api_conn_of(conn_group_of(conn)->owner, conn);
  if (self) api_conn_update(self);
}

static void sequential_received(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  if (!self) return; /* nobody can read it any more, and it is closing */
  struct runtime *runtime = self->runtime;
  int held = api_hold_conn(self);
  if (!api_conn_feed(self, bytes, size)) conn_close_starved(conn);
  api_conn_update(self);
  api_let_go_conn(runtime, held);
}

static void sequential_on_eof(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (self && self->more->inbox) api_wait_wake(&self->more->inbox->reader);
}

static void sequential_on_drain(struct conn *conn, bool crossed) {
  (void)crossed;
  struct api_conn *self = conn_owner(conn);
  if (self && self->more->inbox) api_wait_wake(&self->more->inbox->drainer);
}

static void sequential_on_secured(struct conn *conn) {
  sequential_on_drain(conn, false); /* who waits for either waits there */
}

static void sequential_on_timeout(struct conn *conn, enum conn_timeout kind) {
  struct api_conn *self = conn_owner(conn);
  if (kind == CONN_TIMEOUT_WRITE) {
    conn_reset(conn, REASON_WRITE_TIMEOUT);
    return;
  }
  if (!self || !self->more->inbox) {
    conn_close(conn, REASON_IDLE);
    return;
  }
  struct runtime *runtime = self->runtime;
  int held = api_hold_conn(self);
  if (!api_wait_time_out(&self->more->inbox->reader)) conn_close(conn, REASON_IDLE);
  api_conn_update(self);
  api_let_go_conn(runtime, held);
}

static void sequential_tell_closed(struct api_conn *self, const struct conn *conn,
                                   enum reason reason) {
  struct runtime *runtime = self->runtime;
  int held = api_hold_conn(self);
  api_conn_remember(self, reason);
  self->was_reset = reason == REASON_RESET;
  api_conn_detach(self, conn);
  api_conn_release(runtime, self);
  api_let_go_conn(runtime, held);
}

static void sequential_on_close(struct conn *conn, enum reason reason) {
  struct runtime *runtime = conn_group_of(conn)->owner;
  struct api_conn *self = conn_owner(conn);
  api_conn_log_end(runtime, conn, reason);
  if (self) sequential_tell_closed(self, conn, reason);
  runtime->on_room(runtime->context, conn);
}

const struct conn_events api_sequential_events = {
    .on_open = sequential_on_open,
    .on_secured = sequential_on_secured,
    .on_data = sequential_received,
    .on_forwarded = api_conn_forwarded,
    .on_eof = sequential_on_eof,
    .on_drain = sequential_on_drain,
    .on_timeout = sequential_on_timeout,
    .on_quiet = api_websocket_quiet,
    .on_closing = api_websocket_closing,
    .on_close = sequential_on_close,
};
