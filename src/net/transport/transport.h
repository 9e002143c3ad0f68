/* net/transport/transport.h — To add a transport, start here: the layers under a connection and what
 * they say to each other. Knows no connection.
 *
 * A connection knows order, queues and deadlines. What its bytes look like outside is told by a stack
 * of layers: net/conn.c on top, the lowest one owns the socket (direct.c, plain.c) or the memory (memory.c),
 * and any number may be in between (fault.c). Calls go down through `under`, events come up.
 *
 * A layer in between, such as one that encrypts:
 *   1. begins its struct with a struct transport_layer;
 *   2. has a table of ops in which `free` is its own, and transport_under_*() and transport_above_*()
 *      stand for all that it leaves alone;
 *   3. is put above another one with transport_put(), before the connection begins, or with
 *      conn_put_layer() at any time. Once the one under it is `ready`, it may read and write for
 *      itself, a handshake say; when bytes of the one above may flow, it says `ready`, too.
 * The lowest one begins with a struct transport, has a table with what goes down, of which nothing may
 * be left out but `free`, and is told by `set_above` who is above it. It lives in the connection's own
 * memory (conn_new), so that one connection is one allocation.
 *
 * Rules, both ways:
 *   - Events come from the loop, never from inside of a call that goes down, but for `ready`, which
 *     `open` may tell.
 *   - Whoever is told an event may call anything meanwhile, also `close`, or take this layer out of
 *     the stack: telling is the last thing that a layer does.
 *   - After `failed` nothing more comes but, once it was asked for, `closed`. After close or reset,
 *     too, nothing but `closed`, and the bytes of a write that is under way are looked at no more.
 *   - A layer keeps no bytes of its own that it said were taken: `close` may follow. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

struct platform_tcp;
struct transport_ops;

struct transport {
  const struct transport_ops *ops;
};

/* One that is over another one. The connection is the topmost. */
struct transport_over {
  struct transport transport;
  struct transport *under;
};

struct transport_layer {
  struct transport_over over;
  struct transport *above;
};

enum {
  TRANSPORT_ROOM_ALL = 65536, /* as much as is read at once */
  /* The same; and of one that has much, the lowest one may tell `received` of no bytes, but their
   * size: they are in a pipe of the loop, whose sockets can `pour` it out (socket.h). */
  TRANSPORT_ROOM_PIPE,
};

/* Where an int is returned, it is 0 or UV_E*.
 *
 * What only the lowest one knows. All but `error` may be NULL, where there is no such thing. */
struct transport_facts {
  int (*error)(const struct transport *self); /* what broke it, with nobody who reads or writes */
  int (*descriptor)(const struct transport *self);
  int (*local)(const struct transport *self, struct sockaddr *out, socklen_t *size);
  int (*peer)(const struct transport *self, struct sockaddr *out, socklen_t *size);
  int (*tcp_info)(const struct transport *self, struct platform_tcp *out);
};

struct transport_ops {
  const struct transport_facts *facts; /* the lowest one's */
  void (*set_above)(struct transport *self, struct transport *above);

  /* --- Down --- */
  int (*open)(struct transport *self); /* once; `ready` or `failed` follows, or comes meanwhile */
  /* What arrives goes to `received`, at most `room` bytes at once. With a room of 0 it stays where it
   * is, and that there is something is told, by a `received` of no bytes. Also to change the room. */
  int (*read_start)(struct transport *self, size_t room);
  void (*read_stop)(struct transport *self);
  /* Writes without waiting. The bytes taken (0: none can be now), or UV_E*. Not while a write() is
   * under way. */
  ssize_t (*write_now)(struct transport *self, const uv_buf_t *bufs, unsigned count);
  /* Writes all of it, then tells `written`. One at a time; the bytes, not the array, stay. */
  int (*write)(struct transport *self, const uv_buf_t *bufs, unsigned count);
  int (*finish)(struct transport *self); /* FIN, when all is written; UV_E*: the peer has reset */
  void (*reset)(struct transport *self); /* RST where there is such a thing, else as `close` */
  void (*close)(struct transport *self); /* once, unless reset(): `closed` follows */
  void (*free)(struct transport *self);  /* not the lowest: it is closed, or out of the stack */
  size_t (*unread)(const struct transport *self); /* bytes that arrived and wait to be received */
  /* Bytes taken, or being written, that the peer has not acknowledged. */
  size_t (*unacknowledged)(const struct transport *self);

  /* --- Up --- */
  void (*ready)(struct transport *self); /* bytes may flow, in both directions */
  void (*received)(struct transport *self, const char *bytes, size_t size);
  void (*ended)(struct transport *self);          /* the peer's FIN: nothing more comes */
  void (*failed)(struct transport *self, int rc); /* it is broken, by UV_E*, and is to be closed */
  void (*written)(struct transport *self);        /* all that write() was given */
  void (*closed)(struct transport *self);         /* the last event: it may be freed */
};

/* Puts `layer` right under `above`, over what was there. */
static inline void transport_put(struct transport_layer *layer, struct transport_over *above) {
  struct transport *under = layer->over.under = above->under;
  assert(under); /* the lowest, at least */
  layer->above = &above->transport;
  above->under = &layer->over.transport;
  under->ops->set_above(under, above->under);
}

/* Frees one that is in no stack. */
static inline void transport_drop(struct transport_layer *layer) {
  layer->over.transport.ops->free(&layer->over.transport);
}

/* Takes out the one right under `above`, which is not the lowest, and frees it. */
static inline void transport_take_out(struct transport_over *above) {
  struct transport *layer = above->under;
  above->under = ((struct transport_over *)layer)->under;
  above->under->ops->set_above(above->under, &above->transport);
  layer->ops->free(layer);
}

static inline struct transport *transport_under(const struct transport *self) {
  return ((const struct transport_over *)self)->under;
}

static inline struct transport *transport_above(const struct transport *self) {
  return ((const struct transport_layer *)self)->above;
}

static inline void transport_set_above(struct transport *self, struct transport *above) {
  ((struct transport_layer *)self)->above = above;
}

/* transport_under_open(self) calls `open` of the one under `self`, transport_above_ready(self) tells the
 * one above that it is ready, and so on; as ops of a layer, they leave a thing alone. */
#define TRANSPORT_CALL(type, name, parameters, arguments)                                          \
  static inline type transport_under_##name parameters {                                           \
    struct transport *other = transport_under(self);                                               \
    return other->ops->name arguments;                                                             \
  }
#define TRANSPORT_TELL(where, name, parameters, arguments)                                         \
  static inline void transport_##where##_##name parameters {                                       \
    struct transport *other = transport_##where(self);                                             \
    other->ops->name arguments;                                                                    \
  }

TRANSPORT_CALL(int, open, (struct transport * self), (other))
TRANSPORT_CALL(int, read_start, (struct transport * self, size_t room), (other, room))
TRANSPORT_TELL(under, read_stop, (struct transport * self), (other))
TRANSPORT_CALL(ssize_t, write_now, (struct transport * self, const uv_buf_t *bufs, unsigned count),
               (other, bufs, count))
TRANSPORT_CALL(int, write, (struct transport * self, const uv_buf_t *bufs, unsigned count),
               (other, bufs, count))
TRANSPORT_CALL(int, finish, (struct transport * self), (other))
TRANSPORT_TELL(under, reset, (struct transport * self), (other))
TRANSPORT_TELL(under, close, (struct transport * self), (other))
TRANSPORT_CALL(size_t, unread, (const struct transport *self), (other))
TRANSPORT_CALL(size_t, unacknowledged, (const struct transport *self), (other))

TRANSPORT_TELL(above, ready, (struct transport * self), (other))
TRANSPORT_TELL(above, received, (struct transport * self, const char *bytes, size_t size),
               (other, bytes, size))
TRANSPORT_TELL(above, ended, (struct transport * self), (other))
TRANSPORT_TELL(above, failed, (struct transport * self, int rc), (other, rc))
TRANSPORT_TELL(above, written, (struct transport * self), (other))
TRANSPORT_TELL(above, closed, (struct transport * self), (other))
