/* net/conn_tell.h — what happens on a connection, told to those who watch, for net/ only. */
#pragma once

#include "net/conn_state.h"
#include "net/loop_state.h"

/* One load and one branch while nobody watches. Each conn_tell_*() is called behind it. */
static inline bool conn_is_told(const struct conn *conn, enum event_kind kind) {
  return tap_wants(&conn->group->loop->tap, kind);
}

/* The same for what is told in several kinds. */
static inline bool conn_is_watched(const struct conn *conn) {
  return __builtin_expect(conn->group->loop->tap.kinds != 0, 0);
}

/* Accepted or connected, with what the kernel says of it. */
void conn_tell_begin(struct conn *conn, enum event_kind kind);
void conn_tell_data(struct conn *conn, const char *bytes, size_t size);
/* `taken` bytes went to the kernel. `waited`: only when the peer had made room. */
void conn_tell_flush(struct conn *conn, size_t taken, bool waited);
void conn_tell_plain(struct conn *conn, enum event_kind kind); /* of a kind without fields */
void conn_tell_eof(struct conn *conn);
void conn_tell_timeout(struct conn *conn, const char *timer);
/* It broke, with UV_E*. */
void conn_tell_failed(struct conn *conn, int rc);
void conn_tell_forward(struct conn *from, const struct conn *to);
void conn_tell_drain(struct conn *conn);
/* Somebody asked for `fault`, "split=1" or "off", and that is what it does. */
void conn_tell_fault(struct conn *conn, const char *fault, const char *detail);
/* Reading stopped for a hold, or goes on after one. */
void conn_tell_reading(struct conn *conn);
/* conn_look.c. Of one that is not read: what has come since it was looked at last. Where FIN or RST has, no
 * more of that. */
void conn_look(struct conn *conn);
/* When one that is not read is to be looked at again: soon, while somebody watches. */
uint64_t conn_look_ms(const struct conn *conn, uint64_t now_ms);
/* Right before the descriptor is closed. `with_rst`: we send RST. */
void conn_tell_close(struct conn *conn, bool with_rst);
