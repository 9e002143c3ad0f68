/* net/transport/memory.h — a pipe in memory in place of a socket, for tests and for simulation.
 *
 * One end is the lowest layer of a connection. The other end is the peer, in the hands of the caller,
 * who may move it at any time: what that does comes to the connection in later turns of the loop. */
#pragma once

#include "net/transport/transport.h"

#include <stdbool.h>
#include <stdint.h>

struct net_loop;
struct memory_pipe;

/* May be changed at any time, for what follows. */
struct memory_settings {
  size_t cut_bytes;    /* the connection is handed no more at once; 0: what arrived together */
  size_t window_bytes; /* how much one end takes, in each direction, that the other has not read */
  uint64_t delay_ms;   /* how long what the peer does is under way */
  bool is_lost;        /* nothing gets through any more, in either direction, and nobody is told */
  int open_error;      /* UV_E*, told by `failed`; 0: it opens */
  int write_error;     /* what write_now() returns */
  int finish_error;    /* what finish() returns */
};

/* What the peer sees of the connection. */
struct memory_seen {
  bool finished; /* FIN; all that was written before can be taken */
  bool reset;    /* RST, as after a close with bytes unread */
  bool closed;   /* it has let go of the pipe */
};

/* NULL when memory is out. To be freed once the connection has closed. */
struct memory_pipe *memory_new(struct net_loop *loop);
void memory_free(struct memory_pipe *pipe);
struct memory_settings *memory_settings(struct memory_pipe *pipe); /* window: 64 KiB */
struct memory_seen memory_seen(const struct memory_pipe *pipe);

/* The peer's end. memory_send: how many of the bytes there was room and memory for; they arrive
 * together. memory_take: how many that the connection wrote there were, `size` at most. */
size_t memory_send(struct memory_pipe *pipe, const char *bytes, size_t size);
size_t memory_take(struct memory_pipe *pipe, char *bytes, size_t size);
/* FIN and RST come behind what was sent. False when memory is out. */
bool memory_finish(struct memory_pipe *pipe);
bool memory_reset(struct memory_pipe *pipe);
size_t memory_room(const struct memory_pipe *pipe); /* what memory_send() would take */
/* What memory_take() would give, without taking it; valid until the connection writes. With NULL in
 * place of bytes, memory_take() only drops them. */
size_t memory_waiting(const struct memory_pipe *pipe, const char **bytes);
/* on_change(owner), from inside of what the connection calls: it wrote, read, finished, or closed. */
void memory_watch(struct memory_pipe *pipe, void (*on_change)(void *owner), void *owner);

/* What is right above the connection's end: at first the connection. NULL: none has the pipe. */
struct transport *memory_above(const struct memory_pipe *pipe);

/* What the network does with a pipe. The connection is not ready before memory_opened(), or ends with
 * `rc`. */
void memory_hold_open(struct memory_pipe *pipe);
void memory_opened(struct memory_pipe *pipe, int rc);
/* No connection takes it. */
void memory_abandon(struct memory_pipe *pipe);
/* The addresses of both ends, as the connection says. */
void memory_name(struct memory_pipe *pipe, const struct sockaddr_storage *local,
                 const struct sockaddr_storage *peer);

/* The connection's end, as the lowest layer of one that is being made: see conn_new(). */
size_t memory_size(void);
void memory_init(struct transport *self, struct transport *above, struct memory_pipe *pipe);
