/* net/transport/memory_state.h — a pipe's fields, and what both of its ends call, for memory.c and
 * memory_peer.c only. */
#pragma once

#include "base/list.h"
#include "net/transport/memory.h"

/* Something that the peer did. */
struct arrival {
  struct list link;
  uint64_t due_ms;
  int end; /* 0: bytes; UV_EOF: FIN; else RST */
  size_t size;
  size_t start; /* of what is not read yet */
  char bytes[];
};

/* What the connection is to be told of its own calls. */
enum news { NEWS_OPENED = 1 << 0, NEWS_WRITTEN = 1 << 1, NEWS_CLOSED = 1 << 2 };

/* The connection's end of a pipe. */
struct memory {
  struct transport transport;
  struct transport *above;
  struct memory_pipe *pipe;
};

struct memory_pipe {
  struct memory_settings settings;
  struct memory_seen seen;
  struct net_loop *loop;
  struct net_defer *defer;
  struct net_timer *timer; /* for the first arrival that is not due yet; NULL: none waits for it */
  struct memory *end;      /* NULL before it is made, and once it is closed */
  void (*on_change)(void *owner); /* NULL: nobody cares */
  void *change_owner;
  struct sockaddr_storage local; /* without a family where there is no such thing */
  struct sockaddr_storage peer;
  struct list arrivals;
  size_t arriving;      /* their bytes that are not read */
  struct arrival *told; /* the one whose bytes were handed over last, in this turn */
  char *written;        /* what the peer has not taken, and behind it what waits for the window */
  size_t written_size;
  size_t waiting_size; /* of a write() */
  size_t room;         /* for one `received` */
  unsigned news;
  bool is_read;
  bool is_opening; /* open() was called, and not answered */
  bool is_held;    /* it is not to be answered yet */
};

/* What arrived last, or NULL. */
struct arrival *memory_last_arrival(const struct memory_pipe *pipe);
/* Sees to it that all there is to tell will be told. */
void memory_go_on(struct memory_pipe *pipe);
void memory_tell_change(const struct memory_pipe *pipe);
void memory_drop_arrivals(struct memory_pipe *pipe);
/* What is left of the window of one end that has `used` so much of it. */
size_t memory_window_left(const struct memory_pipe *pipe, size_t used);
/* What waits to be written moves into the window. */
void memory_admit(struct memory_pipe *pipe);
