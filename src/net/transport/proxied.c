/* net/transport/proxied.c — reads what a proxy says before the client's bytes, the PROXY protocol, and is
 * gone; above any other layer, mostly the lowest. Knows no client.
 *
 * The happy path: the header comes in one piece and alone. It is read where it is, the layer takes itself
 * out of the stack, and tells `ready`; from then on the connection costs what any other costs. Bytes of the
 * client that came with it are handed on behind `ready`, from where they are when the one above reads,
 * else from a copy, and the layer stays until they have gone.
 *
 * A proxy that speaks for itself (LOCAL, UNKNOWN) mostly looks whether we are there, and leaves: `ready`
 * waits for its first byte.
 *
 * How it fails:
 *   - What comes is no header, or no whole one: `on_fault`, and nothing is told above.
 *   - The one under it fails: handed on.
 *   - Memory is out: `failed` with UV_ENOMEM. */
#include "net/transport/proxied.h"

#include "base/proxy_header.h"
#include "net/defer.h"

#include <stdlib.h>
#include <string.h>

enum proxied_flags {
  PROXIED_LOCAL = 1 << 0,   /* the header has come, and `ready` waits for the first byte */
  PROXIED_READY = 1 << 1,   /* it was told */
  PROXIED_TELLING = 1 << 2, /* it is being told: what came with the header comes right behind */
  PROXIED_READING = 1 << 3, /* the one above wants what comes */
  PROXIED_CLOSED = 1 << 4,
};

struct proxied {
  struct transport_layer layer;
  struct net_loop *loop;
  const struct proxied_events *events;
  void *owner;
  struct net_defer *defer; /* NULL: it was not needed so far */
  char *kept;              /* a part of the header; then what came behind it. Or NULL */
  size_t kept_size;
  size_t room; /* what the one above has */
  unsigned flags;
};

static struct proxied *proxied_of(const struct transport *self) {
  return (struct proxied *)self;
}

static struct transport *self_of(struct proxied *proxied) {
  return &proxied->layer.over.transport;
}

static bool has(const struct proxied *proxied, unsigned flag) {
  return proxied->flags & flag;
}

/* Puts bytes behind those that are kept. 0 or UV_ENOMEM. */
static int keep(struct proxied *proxied, const char *bytes, size_t size) {
  char *grown = realloc(proxied->kept, proxied->kept_size + size);
  if (!grown) return UV_ENOMEM;
  memcpy(grown + proxied->kept_size, bytes, size);
  proxied->kept = grown;
  proxied->kept_size += size;
  return 0;
}

/* --- What came with the header ------------------------------------------------------------------ */

static void take_out(struct proxied *proxied) {
  transport_take_out((struct transport_over *)transport_above(self_of(proxied)));
}

/* The last of it: from here on the one above has the one under it. */
static void give_last(struct proxied *proxied, const char *bytes, size_t size) {
  struct transport *above = transport_above(self_of(proxied));
  char *kept = proxied->kept; /* `bytes` may be in it */
  proxied->kept = NULL;
  int rc = transport_under_read_start(self_of(proxied), proxied->room);
  take_out(proxied);
  if (rc < 0) {
    above->ops->failed(above, rc);
  } else {
    above->ops->received(above, bytes, size);
  }
  free(kept);
}

static void proxied_on_turn(void *owner);

/* For what is kept. */
static int ask_turn(struct proxied *proxied) {
  if (!proxied->defer) proxied->defer = net_defer_new(proxied->loop, proxied_on_turn, proxied);
  if (!proxied->defer) return UV_ENOMEM;
  net_defer_ask(proxied->defer);
  return 0;
}

/* There is less room than bytes: one piece now, the rest in turns of its own. */
static void give_piece(struct proxied *proxied) {
  struct transport *self = self_of(proxied);
  const size_t size = proxied->room;
  char *piece = malloc(size + 1);
  int rc = piece ? 0 : UV_ENOMEM;
  if (piece && size > 0) {
    memcpy(piece, proxied->kept, size);
    proxied->kept_size -= size;
    memmove(proxied->kept, proxied->kept + size, proxied->kept_size);
    rc = ask_turn(proxied);
  }
  if (rc < 0) {
    transport_above_failed(self, rc);
  } else {
    transport_above_received(self, size > 0 ? piece : NULL, size);
  }
  free(piece);
}

static void proxied_on_turn(void *owner) {
  struct proxied *proxied = owner;
  if (has(proxied, PROXIED_CLOSED) || !has(proxied, PROXIED_READING)) return;
  if (proxied->room < proxied->kept_size) {
    give_piece(proxied);
  } else {
    give_last(proxied, proxied->kept, proxied->kept_size);
  }
}

/* Tells `ready`, and hands on what is the client's. */
static void become_ready(struct proxied *proxied, const char *bytes, size_t size) {
  struct transport *above = transport_above(self_of(proxied));
  char *kept = proxied->kept; /* `bytes` may be in it */
  transport_under_read_stop(self_of(proxied));
  proxied->kept = NULL;
  proxied->kept_size = 0;
  if (size == 0) {
    take_out(proxied);
    above->ops->ready(above);
    free(kept);
    return;
  }
  proxied->flags |= PROXIED_READY | PROXIED_TELLING;
  above->ops->ready(above);
  proxied->flags &= ~(unsigned)PROXIED_TELLING;
  bool is_read = has(proxied, PROXIED_READING);
  if (has(proxied, PROXIED_CLOSED)) {
    free(kept);
    return;
  }
  above = transport_above(self_of(proxied)); /* a fault may have come in between */
  if (is_read && proxied->room >= size) {
    give_last(proxied, bytes, size);
  } else {
    int rc = keep(proxied, bytes, size);
    if (rc == 0 && is_read) rc = ask_turn(proxied);
    if (rc < 0) above->ops->failed(above, rc);
  }
  free(kept);
}

/* --- The header -------------------------------------------------------------------------------- */

static void proxied_ready(struct transport *self) {
  int rc = transport_under_read_start(self, TRANSPORT_ROOM_ALL);
  if (rc < 0) transport_above_failed(self, rc);
}

/* `size` bytes are behind it. */
static void take_header(struct proxied *proxied, const struct proxy_header *header,
                        const char *bytes, size_t size) {
  enum proxied_verdict verdict = proxied->events->on_header(proxied->owner, header);
  if (verdict == PROXIED_CHECK) proxied->flags |= PROXIED_LOCAL;
  if (verdict == PROXIED_REFUSED || (verdict == PROXIED_CHECK && size == 0)) return;
  become_ready(proxied, bytes, size);
}

static void read_header(struct proxied *proxied, const char *bytes, size_t size) {
  struct proxy_header header;
  const char *fault = NULL;
  int rc = proxy_header_read(bytes, size, &header, &fault);
  if (rc < 0) {
    transport_under_read_stop(self_of(proxied));
    proxied->events->on_fault(proxied->owner, fault);
  } else if (rc > 0) {
    if (!proxied->kept && keep(proxied, bytes, size) < 0) {
      transport_above_failed(self_of(proxied), UV_ENOMEM);
    }
  } else {
    take_header(proxied, &header, bytes + header.size, size - header.size);
  }
}

static void proxied_received(struct transport *self, const char *bytes, size_t size) {
  struct proxied *proxied = proxied_of(self);
  if (has(proxied, PROXIED_LOCAL)) {
    become_ready(proxied, bytes, size);
  } else if (!proxied->kept) {
    read_header(proxied, bytes, size);
  } else if (keep(proxied, bytes, size) < 0) {
    transport_above_failed(self, UV_ENOMEM);
  } else {
    read_header(proxied, proxied->kept, proxied->kept_size);
  }
}

/* Not while something is kept of what the client says: then nobody reads. */
static void proxied_ended(struct transport *self) {
  struct proxied *proxied = proxied_of(self);
  bool is_part = proxied->kept && !has(proxied, PROXIED_LOCAL);
  proxied->events->on_fault(proxied->owner,
                            is_part ? "the connection ended within its PROXY header" : NULL);
}

/* --- Down -------------------------------------------------------------------------------------- */

/* Of one that is ready, and only while something is kept, or about to be. */
static int proxied_read_start(struct transport *self, size_t room) {
  struct proxied *proxied = proxied_of(self);
  proxied->room = room;
  proxied->flags |= PROXIED_READING;
  return has(proxied, PROXIED_TELLING) ? 0 : ask_turn(proxied);
}

static void proxied_read_stop(struct transport *self) {
  proxied_of(self)->flags &= ~(unsigned)PROXIED_READING;
}

static void proxied_reset(struct transport *self) {
  proxied_of(self)->flags |= PROXIED_CLOSED;
  transport_under_reset(self);
}

static void proxied_close(struct transport *self) {
  proxied_of(self)->flags |= PROXIED_CLOSED;
  transport_under_close(self);
}

static void proxied_free(struct transport *self) {
  struct proxied *proxied = proxied_of(self);
  if (proxied->defer) net_defer_close(proxied->defer);
  free(proxied->kept);
  free(proxied);
}

static size_t proxied_unread(const struct transport *self) {
  const struct proxied *proxied = proxied_of(self);
  return (has(proxied, PROXIED_READY) ? proxied->kept_size : 0) + transport_under_unread(self);
}

struct transport_layer *proxied_new(struct net_loop *loop, const struct proxied_events *events,
                                    void *owner) {
  static const struct transport_ops ops = {
      .set_above = transport_set_above,
      .open = transport_under_open,
      .read_start = proxied_read_start,
      .read_stop = proxied_read_stop,
      .write_now = transport_under_write_now,
      .write = transport_under_write,
      .finish = transport_under_finish,
      .reset = proxied_reset,
      .close = proxied_close,
      .free = proxied_free,
      .unread = proxied_unread,
      .unacknowledged = transport_under_unacknowledged,
      .ready = proxied_ready,
      .received = proxied_received,
      .ended = proxied_ended,
      .failed = transport_above_failed,
      .written = transport_above_written,
      .closed = transport_above_closed,
  };
  struct proxied *proxied = calloc(1, sizeof *proxied);
  if (!proxied) return NULL;
  proxied->layer.over.transport.ops = &ops;
  proxied->loop = loop;
  proxied->events = events;
  proxied->owner = owner;
  return &proxied->layer;
}
