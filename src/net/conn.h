/* net/conn.h — one connection, from accept to close. Knows no socket, and no Lua. */
#pragma once

#include "base/blob.h"
#include "base/list.h"
#include "base/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct blob;
struct event;
struct event_place;
struct net_loop;
struct platform_tcp;
struct tap_watcher;
struct conn; /* opaque; frees itself right after events->on_close */

enum conn_timeout {
  CONN_TIMEOUT_IDLE,
  CONN_TIMEOUT_WRITE,
  CONN_TIMEOUT_FIRST,
  CONN_TIMEOUT_REQUEST,
};
/* "idle", "write", "first", "request"; static text */
const char *conn_timeout_name(enum conn_timeout kind);

/* Gets what a connection receives: 1 to 65536 bytes. */
typedef void (*conn_receiver)(struct conn *conn, const char *bytes, size_t size);

/* Called on the loop's thread, from the loop, never from inside a conn_*() call. Any conn_*()
 * function may be called from inside them. */
struct conn_events {
  void (*on_open)(struct conn *conn); /* the transport is ready; not of one that ends before */
  /* It is ready once more, after conn_secure(); NULL: nobody asks for that. */
  void (*on_secured)(struct conn *conn);
  conn_receiver on_data; /* the receiver that each has at first */
  /* A part was forwarded, or cannot be: the connection is its owner's again. NULL: nobody forwards. */
  void (*on_forwarded)(struct conn *conn);
  void (*on_eof)(struct conn *conn); /* the peer sent FIN: nothing more comes */
  /* The queue fell below the low-water mark. `crossed`: it had been above the high one. */
  void (*on_drain)(struct conn *conn, bool crossed);
  /* Told again after another such time, until the receiver closes the connection. */
  void (*on_timeout)(struct conn *conn, enum conn_timeout kind);
  /* Of one that conn_probe() was called for: it said nothing for half of idle_ms. Once, until it does. */
  void (*on_quiet)(struct conn *conn);
  /* It is about to be closed in peace: what is sent now is the last, and nothing else may be done. From
   * inside of conn_close(), so Lua may run. NULL: nothing is to be said. */
  void (*on_closing)(struct conn *conn, enum reason reason);
  void (*on_close)(struct conn *conn, enum reason reason); /* always the last call, exactly once */
};

/* Which bound was passed: the connection's own, that of its budget, or the loop's. */
enum conn_bound { CONN_BOUND_OWN, CONN_BOUND_BUDGET, CONN_BOUND_LOOP };

/* What several groups may have queued together, in memory that they really take: of what many share,
 * one copy. Filled in by its owner. Beyond it, or beyond that of the whole loop, the connection ends
 * whose queue is the longest, with REASON_WRITE_QUEUE; so it is never one whose peer keeps up. */
struct conn_budget {
  struct blob_account account; /* above it that of the loop: net_loop_output() */
  size_t bytes_max;            /* limits.output; 0: no bound of its own */
  uint64_t closed;             /* connections that ended so, so far */
  /* A connection is about to be reset for what it has queued, and still has it. */
  void (*on_excess)(void *owner, const struct conn *conn, enum conn_bound bound);
  /* There was much, and now there is little: the time to free what is not used. */
  void (*on_fall)(void *owner);
  void *owner;
  struct list crowded; /* while on_fall() is to come; the owner removes it at its end */
  size_t peak;         /* of the account, since on_fall() */
  bool is_used;        /* something was queued since it was looked at last */
};

/* What the connections of one service have in common. Filled in by its owner, who keeps it until
 * `count` is 0. A time of 0 is off. */
struct conn_group {
  struct net_loop *loop;
  const struct conn_events *events;
  void *owner;                /* for the receiver of the events */
  struct conn_budget *budget; /* NULL: what they queue is counted nowhere */
  const char *script;     /* whose they are, for who watches; NULL: they are not to be watched */
  size_t queue_bytes_max; /* limits.write_queue: beyond it the connection ends */
  size_t queue_high;      /* above it the connection is not read */
  size_t queue_low;       /* below it on_drain comes */
  uint64_t idle_ms;
  uint64_t write_ms;
  uint64_t linger_ms;
  uint64_t first_ms;     /* of accepted ones, until conn_greeted() */
  uint64_t request_ms;   /* from conn_request_begun() to conn_request_ended() */
  uint64_t handshake_ms; /* of a handshake as a whole */
  bool greets_itself; /* bytes alone are no greeting: the owner calls conn_greeted() in any case */
  bool keeps_unread;  /* what came before a reset is for its owner, however late it is read */
  struct list conns;  /* newest last */
  size_t count;
  uint64_t accepted; /* totals over closed and open connections */
  uint64_t bytes_in;
  uint64_t bytes_out;
};

void conn_group_init(struct conn_group *group, struct net_loop *loop,
                     const struct conn_events *events, void *owner);
/* Calls `visit` for each connection, which may close it, but not free it. Connections that come
 * meanwhile are not visited. */
void conn_group_each(struct conn_group *group, void (*visit)(struct conn *conn, void *context),
                     void *context);

/* Its times have changed: looks at every deadline anew. */
void conn_group_reschedule(struct conn_group *group);

enum { CONN_NO_LISTENER = UINT16_MAX };
/* The one that began last, or NULL; it may be closing already. */
struct conn *conn_group_newest(const struct conn_group *group);
/* The one that began after `conn`, or with NULL the oldest; NULL: there is none. */
struct conn *conn_group_next(const struct conn_group *group, const struct conn *conn);

/* A message goes out in one write when net_loop_flush() comes, at the latest: conn_send_begin(), then
 * any number of the pieces it consists of.
 * conn_send_begin: 0, UV_EPIPE when the connection is closed or closing for writing, UV_ENOBUFS when
 * its queue was over the limit (the connection then ends with REASON_WRITE_QUEUE).
 * All of them: UV_ENOMEM, which ends the connection, for a stream must have no hole; or 0.
 * conn_send_borrowed: the bytes must stay until the next net_loop_flush(). */
int conn_send_begin(struct conn *conn);
int conn_send_copied(struct conn *conn, const char *bytes, size_t size);
int conn_send_borrowed(struct conn *conn, const char *bytes, size_t size);
int conn_send_shared(struct conn *conn, struct blob *blob, size_t size);
/* Writes now what is queued, as far as the kernel takes it. */
void conn_flush(struct conn *conn);
/* True, and on_drain will come, when the queue is not below the low-water mark. */
bool conn_await_drain(struct conn *conn);
/* The same when there is a queue at all, and on_drain comes when that is empty. */
bool conn_await_sent(struct conn *conn);
size_t conn_queue_bytes(const struct conn *conn);

/* Who wants this connection not to be read. It is read while nobody does, and while neither its own
 * queue nor that of the one it is forwarded to is above the high-water mark: that is no hold which
 * somebody could forget, but asked of the queues each time. Of one that is forwarded both ways, its own
 * queue does not count. */
enum conn_hold {
  CONN_HOLD_SCRIPT = 1 << 0,  /* conn:pause() */
  CONN_HOLD_HANDLER = 1 << 1, /* a handler waits for something else */
  CONN_HOLD_CONSOLE = 1 << 2, /* somebody who watches asked for it */
};
void conn_hold(struct conn *conn, enum conn_hold hold, bool on);
/* Of one that CONN_HOLD_CONSOLE holds: reads once, which is one chunk or the peer's FIN, and holds it
 * again. When nothing is there yet, it is the next that comes. */
void conn_step(struct conn *conn);
/* Whether CONN_HOLD_CONSOLE holds it; also while a step is under way. */
bool conn_is_paused(const struct conn *conn);
/* Who keeps it from being read, as the event `pause` names it; NULL: it is read, or has ended. */
const char *conn_held_by(const struct conn *conn);

/* The next two take effect at the next net_loop_flush(), which follows every event.
 *
 * Sends what is queued, then FIN, reads off what the peer still sends (for at most linger_ms), and
 * closes. The first reason counts. */
void conn_close(struct conn *conn, enum reason reason);
/* The same with REASON_ERROR, because there is no memory for what it brought. */
void conn_close_starved(struct conn *conn);
/* Whether it ends for that, or for want of memory to queue what was sent: on_close tells it. */
bool conn_is_starved(const struct conn *conn);
/* Sends what is queued, then FIN; reading goes on. */
void conn_shutdown(struct conn *conn);
/* Drops what is queued, sends RST where the transport has one, and closes. At once. */
void conn_reset(struct conn *conn, enum reason reason);

/* Who gets what it receives from now on, unless that is forwarded. */
void conn_set_receiver(struct conn *conn, conn_receiver receiver);
/* From inside of `receiver`: the next one of the group that has the same, and what it received, which
 * is not told to it by itself then. NULL: there is none now. */
struct conn *conn_next_received(const struct conn_group *group, conn_receiver receiver,
                                const char **bytes, size_t *size);
/* Hands its receiver what another one left. */
void conn_receive(struct conn *conn, const char *bytes, size_t size);

/* From now on what `from` receives is sent to `to`, which may be `from` itself: that is its receiver.
 * 0, UV_EPIPE when either is closing, UV_EBUSY when another is forwarded to `to`, or UV_ENOMEM. */
int conn_forward(struct conn *from, struct conn *to);
/* The same for `size` bytes, and not for the end: then, or when `to` takes no more, or `from` has ended,
 * on_forwarded or on_eof is told, and what comes goes to the receiver that each has at first. */
int conn_forward_part(struct conn *from, struct conn *to, uint64_t size);
void conn_forward_stop(struct conn *from); /* as if it had not begun; nothing is told */
bool conn_is_forwarding(const struct conn *conn);
bool conn_is_forwarded_to(const struct conn *conn);  /* another one's bytes come to it */
uint64_t conn_forward_left(const struct conn *conn); /* of a part */
uint64_t
conn_forward_passed(const struct conn *conn); /* by the last forward; until on_close is told */

enum conn_phase {
  CONN_PHASE_OPEN,
  CONN_PHASE_PEER_FINISHED, /* the peer sent FIN */
  CONN_PHASE_SHUTDOWN,      /* we sent FIN, or will when the queue is empty */
  CONN_PHASE_CLOSING,
};
enum conn_phase conn_phase(const struct conn *conn);
const char *conn_phase_name(enum conn_phase phase); /* "open", "eof", "shutdown", "closing" */
bool conn_is_closing(const struct conn *conn);
bool conn_has_opened(const struct conn *conn);  /* on_open was called */
bool conn_is_outgoing(const struct conn *conn); /* connected by us, not accepted */
bool conn_peer_finished(const struct conn *conn);
/* Neither side has anything more to say. */
bool conn_finished(const struct conn *conn);

void conn_set_owner(struct conn *conn, void *owner); /* NULL at first */
void *conn_owner(const struct conn *conn);
struct conn_group *conn_group_of(const struct conn *conn);
uint64_t conn_id(const struct conn *conn);
unsigned conn_listener_index(const struct conn *conn);
/* What timeouts.first waits for has come. */
void conn_greeted(struct conn *conn);
/* A part of something has come that has a time for all of it; said again, it is still the same. */
void conn_request_begun(struct conn *conn);
void conn_request_ended(struct conn *conn);
/* Of one that has greeted: from now on on_quiet is told. */
void conn_probe(struct conn *conn);
/* Its owner is gone, and nobody else can use it: it has no holds any more, and goes on only as a part
 * of a forward. */
void conn_abandon(struct conn *conn);
/* When it is closing, and nothing is queued, it is closed now, without reading off what the peer sends. */
void conn_skip_linger(struct conn *conn);
/* The peer's address as it was at accept: valid as long as the connection. Without the path of a Unix
 * socket, which is long, and mostly empty. */
const struct sockaddr *conn_peer(const struct conn *conn, socklen_t *size);

/* What the transport knows. 0 or a negative UV_E*, as when it is closed, or has no such thing. */
int conn_peer_name(const struct conn *conn, struct sockaddr_storage *out, socklen_t *size);
int conn_local(const struct conn *conn, struct sockaddr_storage *out, socklen_t *size);
int conn_tcp_info(const struct conn *conn, struct platform_tcp *out);
int conn_descriptor(const struct conn *conn); /* for who asks the kernel; negative: there is none */
size_t conn_unread_bytes(const struct conn *conn); /* that arrived, and nobody has read yet */

/* For who watches: fills in whose connection it is, and emits. To be called when it is wanted. */
void conn_tell(struct conn *conn, struct event *event);
/* The same for the `size` bytes that were queued last. `by` is "script", "core", "forward" or
 * "console". */
void conn_tell_send(struct conn *conn, size_t size, const char *by,
                    const struct event_place *place);
/* For a watcher that has just come: that the connection is there. */
void conn_tell_open(struct conn *conn, struct tap_watcher *watcher);

struct conn_counters {
  uint64_t bytes_in;
  uint64_t bytes_out; /* what the kernel took */
  uint64_t messages_in;
  uint64_t messages_out;
  uint64_t age_ms;
};
void conn_counters(const struct conn *conn, struct conn_counters *out);
