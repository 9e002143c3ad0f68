/* load/wire.h — a connection's bytes, as they are, in TLS, or in frames of WebSocket. Knows no plan and no
 * pattern. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum wire_kind {
  WIRE_PLAIN,
  WIRE_TLS,         /* each handshake is a whole one */
  WIRE_TLS_RESUMED, /* each but the first ones goes on with the session of an earlier one */
  WIRE_WEBSOCKET,   /* plain; each message in a frame of its own */
};

struct wires; /* what connections have in common: for TLS a context, and the last session */

struct websocket;

struct wire {
  int fd;
  struct websocket *websocket; /* NULL: it does not speak that */
  struct ssl_st *ssl;          /* NULL: the bytes are as they are */
  bool resuming;               /* it was begun with a session */
};

/* NULL when memory is out. `message_bytes`: of a frame of WebSocket. */
struct wires *wires_new(enum wire_kind kind, size_t message_bytes);
void wires_free(struct wires *wires); /* NULL is fine */
/* The first message of a connection in TLS. How many bytes, or 0 when memory is out. */
enum { WIRE_HELLO_MAX = 4096 };
size_t wires_hello(const struct wires *wires, unsigned char out[WIRE_HELLO_MAX]);

/* The wire then owns `fd`, non-blocking and connected or about to be. False: memory is out. */
bool wire_init(struct wire *wire, const struct wires *wires, int fd);
void wire_deinit(struct wire *wire);

/* As recv, send and shutdown do: -1 with errno, EAGAIN when it is to be called again after the next
 * event. Of a fault in TLS errno is EPROTO, and wire_why() says more.
 * wire_shake: 0 when bytes can go; at once without TLS. wire_recv: 0 after FIN or close_notify. */
int wire_shake(struct wire *wire);
ssize_t wire_recv(struct wire *wire, void *out, size_t size);
ssize_t wire_send(struct wire *wire, const void *bytes, size_t size);
int wire_finish(struct wire *wire);
/* Only the edge of an event is told, so all must be read: whether `got` bytes were all there was. */
bool wire_is_drained(const struct wire *wire, size_t got, size_t size);
const char *wire_why(int error);
