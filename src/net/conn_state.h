/* net/conn_state.h — a connection's fields and what its files tell each other, for net/ only. */
#pragma once

#include "net/conn.h"
#include "net/output.h"
#include "net/transport/transport.h"
#include "net/wheel.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum conn_flags {
  CONN_EOF_SEEN = 1 << 0,   /* the peer sent FIN */
  CONN_FIN_WANTED = 1 << 1, /* FIN follows the last queued byte; nothing more can be queued */
  CONN_FIN_SENT = 1 << 2,
  CONN_CLOSING = 1 << 3,      /* incoming bytes are dropped; closes when all is sent and read off */
  CONN_CLOSED = 1 << 4,       /* the transport is being closed, or is */
  CONN_ABOVE_HIGH = 1 << 5,   /* the queue went above the high-water mark, and is not yet drained */
  CONN_DRAIN_WANTED = 1 << 6, /* somebody waits for the low-water mark */
  CONN_DIRTY = 1 << 7,        /* in the loop's dirty list */
  CONN_READING = 1 << 8,
  CONN_PAUSED = 1 << 9,       /* it was read, and then held */
  CONN_STEPPING = 1 << 10,    /* CONN_HOLD_CONSOLE comes back after one read */
  CONN_UNACKED = 1 << 11,     /* something was sent that may not be acknowledged yet */
  CONN_GREETED = 1 << 12,     /* timeouts.first is met, or does not apply */
  CONN_ORPHAN = 1 << 13,      /* no owner will ever ask for it again */
  CONN_WRITING = 1 << 14,     /* the output is one of those in loop->waiting */
  CONN_OPENING = 1 << 15,     /* the transport is not ready: it is not read, and sends are queued */
  CONN_OPENED = 1 << 16,      /* on_open was told */
  CONN_STARVED = 1 << 17,     /* it ends because memory was out */
  CONN_OUTGOING = 1 << 19,    /* connected by us */
  CONN_PROBED = 1 << 20,      /* on_quiet is told */
  CONN_SENT_WANTED = 1 << 18, /* with CONN_DRAIN_WANTED: somebody waits for the queue to be empty */
  CONN_IN_REQUEST = 1 << 21,  /* the rest of something that has begun to come is waited for */
  CONN_NO_CLIENT = 1 << 22,   /* no proxy has said yet whose it is, or it is the proxy's own */
  CONN_PEER_FIRST = 1 << 23,  /* its peer's FIN or RST came before ours went */
  CONN_END_ARRIVED = 1 << 24, /* conn_look() has told that FIN or RST came */
};

/* How often it is looked whether the peer acknowledges what was sent. The kernel takes bytes for a
 * peer that has vanished, so that it took them means nothing. */
#define WRITE_LOOK_MS(write_ms) ((write_ms) / 4 + 1)
/* How often one that is not read is asked whether its peer has reset it. */
enum { HELD_LOOK_MS = 500 };

/* What few connections have; conn_need_rare(). */
struct conn_rare {
  struct conn_proxy *proxy; /* NULL unless it comes through one; conn_proxy.c */
  /* Who gets what it receives, and whose bytes it gets; conn_forward.c. */
  struct conn *to;     /* NULL: its own owner */
  struct conn *from;   /* NULL: only what its owner sends */
  uint64_t left;       /* bytes to go to `to`; FORWARD_ALL: all that come, and the end */
  uint64_t passed;     /* bytes that went there since conn_forward() */
  uint32_t request_ms; /* low bits of when conn_request_begun() was called */
  uint32_t arrived;    /* low bits of how many bytes had come when conn_look() looked last */
};

#define FORWARD_ALL UINT64_MAX

/* Nine thousand years of ms; nine hundred of ten thousand connections a second. */
#define CONN_LOW_48 ((UINT64_C(1) << 48) - 1)

struct conn {
  struct transport_over stack; /* its topmost end, and what is under that */
  struct conn_group *group;
  conn_receiver receiver; /* conn_forward_bytes() while it is forwarded, else its owner's */
  void *owner;
  struct output *output;  /* NULL while nothing is queued */
  struct conn_rare *rare; /* NULL until it needs one */
  struct conn *dirty_next;
  struct list group_link;
  /* Its mark: since when timeouts.first, or the end of a handshake, is waited for. With CONN_PROBED: the
   * active_ms of the time for which on_quiet was told. */
  struct wheel_entry wheel;
  uint64_t id : 48;
  uint64_t listener_index : 16;
  uint64_t bytes_in;
  uint64_t bytes_out;
  uint64_t opened_ms : 48;
  uint64_t holds : 8;
  uint64_t reason : 8;
  uint64_t active_ms; /* when the peer last said something; while lingering: when FIN was sent */
  uint32_t messages_in;
  uint32_t messages_out;
  uint32_t flags;
  union {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
  } peer;
  /* The low bits of a clock and of a count: only differences are taken. */
  uint32_t acked;    /* bytes that the peer had acknowledged when last looked at */
  uint32_t acked_ms; /* when that was last seen to grow */
  /* Last, and only as large as its kind: an idle connection is mostly this. */
  struct transport lowest[];
};

static inline void conn_remember_peer(struct conn *conn, const struct sockaddr *peer) {
  if (peer->sa_family == AF_INET) {
    memcpy(&conn->peer.ip4, peer, sizeof conn->peer.ip4);
  } else if (peer->sa_family == AF_INET6) {
    memcpy(&conn->peer.ip6, peer, sizeof conn->peer.ip6);
  } else {
    conn->peer.any.sa_family = peer->sa_family;
  }
}

static inline struct conn *conn_target(const struct conn *conn) {
  return conn->rare ? conn->rare->to : NULL;
}

static inline struct conn *conn_source(const struct conn *conn) {
  return conn->rare ? conn->rare->from : NULL;
}

static inline struct conn_proxy *conn_proxy_of(const struct conn *conn) {
  return conn->rare ? conn->rare->proxy : NULL;
}

/* False when memory is out. */
static inline bool conn_need_rare(struct conn *conn) {
  if (!conn->rare) conn->rare = calloc(1, sizeof *conn->rare);
  return conn->rare;
}

/* A connection is made, with room for its lowest layer, which is to be initialised before the next
 * call. Then layers can be put over that, and it begins, or is discarded. */
struct conn *conn_new(struct conn_group *group, size_t lowest_size); /* NULL when memory is out */
/* It joins its group. `connected`: by us, not accepted. on_open comes with the transport's `ready`. */
void conn_begin(struct conn *conn, const struct sockaddr *peer, bool connected);
void conn_discard(struct conn *conn);
void conn_free(struct transport *self); /* with all layers, which are closed */
/* Puts `layer` on top of the transport of one that has begun, but under its fault: it takes it over.
 * Until it says `ready`, nothing is read or written. UV_EBUSY while something is queued, which is for
 * those below; then, and with UV_EPIPE, `layer` is still the caller's. */
int conn_put_layer(struct conn *conn, struct transport_layer *layer);
/* The one of its layers that `is` what is asked for, or NULL. */
struct transport *conn_layer(const struct conn *conn, bool (*is)(const struct transport *layer));

/* conn_proxy.c. Before it begins: it begins with the header of a proxy, which `door` is asked about. 0 or
 * UV_ENOMEM. */
struct conn_door;
struct conn_proxy;
int conn_await_proxy(struct conn *conn, const struct conn_door *door, void *owner);
void conn_proxy_begun(struct conn *conn); /* its peer is known, which is the proxy */
void conn_proxy_late(struct conn *conn);  /* timeouts.handshake has passed */

/* Asserts what always holds between two events; nothing in a release. */
#ifdef NDEBUG
static inline void conn_check(const struct conn *conn) {
  (void)conn;
}
#else
void conn_check(const struct conn *conn);
#endif

/* What its files tell each other; each calls only those below it: conn.c, conn_timeout.c,
 * conn_forward.c, conn_write.c, conn_budget.c, conn_read.c, conn_end.c, conn_look.c, conn_tell.c,
 * conn_facts.c. */
bool conn_wants_reading(const struct conn *conn);
void conn_update_reading(struct conn *conn);
void conn_update_room(struct conn *conn); /* its receiver is another, or gets another part */
void conn_mark_dirty(struct conn *conn);
/* What the loop's pipe has; the rest is in `bytes`. False: nothing is left, or `conn` broke. */
bool conn_send_piped(struct conn *conn, const char **bytes, size_t *size);
void conn_forward_bytes(struct conn *from, const char *bytes, size_t size);
uint64_t conn_forward_active_ms(const struct conn *conn); /* of those at its other ends; or 0 */
/* The queue of `to` crossed a water mark: that decides on reading what is forwarded to it. */
void conn_forward_changed(struct conn *to);
/* Passes the FIN on. False when the owner has to be told as usual. */
bool conn_forward_eof(struct conn *from);
/* `conn` is gone: so is what it forwarded, but for how much that was. */
void conn_forward_end(struct conn *conn);
/* Ends connections until what all have queued is within the bounds: conn_budget.c. */
void conn_keep_budget(struct conn *conn);
/* Gives back what a crowd of slow peers took, once most of them have gone. False: nothing is left. */
bool conn_trim_outputs(struct net_loop *loop);
void conn_stop_waiting(struct conn *conn); /* what write() was given is taken, or dropped */
void conn_end_fault(struct conn *conn);    /* what is read off goes to nobody: at once, all of it */
size_t
conn_writing_bytes(const struct conn *conn); /* that the transport was given, and has not taken */
void conn_on_written(struct transport *self);
void conn_write_on(
    struct conn *conn); /* what write() was given is taken: the next bytes, drain, FIN */
void conn_destroy(struct conn *conn); /* closes the transport */
void conn_depart(struct conn *conn);  /* the same in peace: TLS has a goodbye of its own */
void conn_failed(struct conn *conn, int rc);
uint64_t conn_due(struct wheel_entry *entry, uint64_t now_ms);
/* Bytes are about to be sent, and nothing before them waits to be acknowledged: from now on it is
 * looked whether the peer acknowledges any. */
void conn_await_ack(struct conn *conn);
void conn_schedule(struct conn *conn, uint64_t delay_ms);
void conn_schedule_first(struct conn *conn); /* for one that begins */
