/* net/loop_state.h — the loop's fields, for net/ only. */
#pragma once

#include "base/blob.h"
#include "base/list.h"
#include "base/platform.h"
#include "base/room.h"
#include "base/tap.h"
#include "net/clock.h"
#include "net/loop.h"
#include "net/output.h"
#include "net/piped.h"
#include "net/ready.h"
#include "net/stage.h"
#include "net/turn.h"

#include <uv.h>

enum {
  READ_BUFFER_BYTES = ROOM_BYTES,
  SPARES = 8, /* descriptors: some commands at a time, a reload that reads files, or its trial */
};

/* The last event `tcp`: what a FIN of the peer brought is not told again at the close that follows. */
struct told_tcp {
  uint64_t conn;
  bool is_end;
  struct platform_tcp info;
};

struct net_loop {
  uv_loop_t uv;
  bool is_simulated;
  void (*run_turn)(struct net_loop *loop, bool may_wait); /* of `ready` */
  bool is_stopped;         /* by net_loop_stop(), with a set of our own */
  struct ready_set *ready; /* the sockets of connections; NULL: libuv has them, or there are none */
  const struct socket_kind *sockets;  /* what connections are made of; NULL: simulated */
  uv_prepare_t prepare;               /* without a set of our own: for before_wait */
  void (*before_wait)(void *context); /* or NULL */
  void *before_wait_context;
  uint64_t now_ms;           /* simulated: the time; else the last time that was asked for anew */
  struct list timers;        /* simulated: struct clock_timer that run, in order */
  struct list turns;         /* simulated: struct net_defer, the first asked for first */
  char *read_buffer;         /* of a room; valid for the length of one read callback */
  struct udp_batch *batch;   /* for datagrams; NULL until a socket needs it */
  struct udp_outbox *outbox; /* the same; of the socket whose batch is handled */
  struct tap tap;            /* who watches what happens here */
  struct told_tcp told_tcp;
  bool knows_no_time_wait; /* the kernel cannot be asked; platform_time_wait() */
  uint64_t looks_ms;       /* when conn_look_ms() was asked last, and how often at that time */
  unsigned looks;
  struct tls_shared *tls;     /* NULL until a connection has TLS */
  struct trust *trust;        /* NULL until a client asks whom the system trusts */
  struct network *network;    /* simulated: what there is in place of sockets; else NULL */
  struct resolver *resolver;  /* NULL until a name is looked up */
  struct wheel *wheel;        /* idle, write and linger deadlines of every connection */
  struct output_pool pool;    /* outputs between two uses */
  struct conn *dirty;         /* connections to flush when the handler ends, newest first */
  uint64_t conn_id_last;      /* ids are never used twice in a process; 0: of no script */
  struct turn turn;           /* who may read how much before the others */
  struct stage stage;         /* what is read and not told yet */
  struct piped piped;         /* what is forwarded; for net/transport/direct.c */
  struct blob_account output; /* what all connections have queued that are counted */
  size_t output_max;          /* bytes of it, beyond which the longest queue ends; 0: no bound */
  size_t output_peak;         /* since memory was last given back to the system */
  struct list crowded;        /* struct conn_budget that had much queued, until on_fall() */
  struct list waiting; /* struct writing of each connection whose peer has something to take */
  struct clock_timer trim_timer;    /* while it is to be given back some time */
  struct list shut;                 /* listeners that listen, and do not accept now */
  struct clock_timer shut_timer;    /* runs while somebody watches who waits there */
  struct list starved;              /* listeners that stopped for want of descriptors or memory */
  struct clock_timer starved_timer; /* tries those again */
  int spares[SPARES];               /* descriptors kept back; see net_loop_keep_spares() */
  unsigned spare_count;
  unsigned spares_wanted; /* SPARES, or 0: none are kept */
};

/* Memory of outputs can be given back some time: conn_trim_outputs() is asked twice a second. */
void net_loop_trim_soon(struct net_loop *loop);

/* A descriptor was closed: listeners that had none to accept with try again. */
void net_loop_descriptor_freed(struct net_loop *loop);

/* Closes one, so that the next call that needs a descriptor has it; false: there is none. */
bool net_loop_lend_spare(struct net_loop *loop);
void net_loop_close_spares(struct net_loop *loop);
