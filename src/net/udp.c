/* net/udp.c — a datagram socket. Knows libuv, not Lua. */
#include "net/udp.h"

#include "base/address.h"
#include "net/defer.h"
#include "net/loop_state.h"
#include "net/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  DATAGRAM_BYTES_MAX = 65536, /* one slot of a batch, as libuv cuts its buffer */
  BATCH_SLOTS = 20,           /* libuv takes no more at once */
  DATAGRAM_COST_BYTES = 2048, /* so that a turn is no more than 32 small ones of one socket */
};

struct udp {
  uv_udp_t uv;
  struct mailbox *mailbox; /* in its place, of a simulated loop; or NULL */
  struct net_defer *defer; /* of a mailbox: something may be taken */
  bool receives;           /* the same */
  struct net_loop *loop;
  const struct udp_events *events;
  void *owner;
  const char *script;
  uint32_t flags;    /* of net/turn.h */
  size_t read_bytes; /* since it was last empty, or had its share */
  bool batch;
  bool in_batch; /* libuv is walking through one: closing has to wait for its end */
  bool close_wanted;
};

/* The loop's buffer for batches, made when the first socket needs it: mostly untouched pages. */
static char *batch_buffer(struct net_loop *loop) {
  if (!loop->batch_buffer) loop->batch_buffer = malloc((size_t)BATCH_SLOTS * DATAGRAM_BYTES_MAX);
  return loop->batch_buffer;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  struct net_loop *loop = handle->loop->data;
  const struct udp *udp = handle->data;
  char *batch = udp->batch ? batch_buffer(loop) : NULL;
  if (udp->events->is_wanted && !udp->events->is_wanted(udp->owner)) {
    *buf = uv_buf_init(NULL, 0); /* nothing is read, and on_receive() gets UV_ENOBUFS */
  } else if ((udp->flags & TURN_BULK) && !turn_may_read(&loop->turn, udp->flags)) {
    *buf = uv_buf_init(loop->read_buffer, 0); /* the same, but only until the next turn */
  } else if (batch) {
    *buf = uv_buf_init(batch, BATCH_SLOTS * DATAGRAM_BYTES_MAX);
  } else {
    *buf = uv_buf_init(loop->read_buffer, READ_BUFFER_BYTES);
  }
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void tell_datagram(struct udp *udp, const char *bytes, size_t size,
                          const struct sockaddr *peer) {
  char text[ADDRESS_TEXT_MAX];
  struct net_loop *loop = udp->loop;
  socklen_t peer_size =
      peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  address_from_sockaddr(peer, peer_size, text, sizeof text);
  struct event event = {.kind = EVENT_DATAGRAM, .script = udp->script};
  event.bytes = bytes;
  event.kept = event.size = size;
  event.of.datagram.peer = text;
  tap_emit(&loop->tap, &event);
}

/* What a flood may take of a turn. A datagram costs something, however small it is. */
static void count_share(struct udp *udp, size_t size) {
  struct net_loop *loop = udp->uv.loop->data;
  udp->read_bytes += size + DATAGRAM_COST_BYTES;
  if (udp->read_bytes < TURN_SHARE_BYTES) return;
  turn_count(&loop->turn, &udp->flags, udp->read_bytes);
  udp->read_bytes = 0;
}

static void on_receive(uv_udp_t *uv, ssize_t nread, const uv_buf_t *buf,
                       const struct sockaddr *peer, unsigned flags) {
  struct udp *udp = uv->data;
  struct net_loop *loop = uv->loop->data;
  if (flags & UV_UDP_MMSG_FREE) {
    udp->in_batch = false;
    if (udp->close_wanted) uv_close((uv_handle_t *)uv, on_closed);
    return;
  }
  udp->in_batch = flags & UV_UDP_MMSG_CHUNK;
  if (udp->close_wanted) return;
  if (nread < 0 && !buf->base) {
    uv_udp_recv_stop(uv);
  } else if (nread == UV_ENOBUFS) {
    return; /* it is not its turn */
  } else if (nread < 0 && udp->events->on_error) {
    udp->events->on_error(udp->owner, (int)nread);
  } else if (nread >= 0 && !peer) { /* there is nothing to read now */
    udp->flags &= ~(uint32_t)TURN_BULK;
    udp->read_bytes = 0;
  } else if (nread >= 0) {
    count_share(udp, (size_t)nread);
    if (tap_wants(&loop->tap, EVENT_DATAGRAM)) tell_datagram(udp, buf->base, (size_t)nread, peer);
    udp->events->on_datagram(udp->owner, buf->base, (size_t)nread, peer);
  }
  net_loop_flush(loop);
}

/* --- In memory --------------------------------------------------------------------------------- */

/* One in a turn. */
static void udp_on_turn(void *owner) {
  struct udp *udp = owner;
  const char *bytes;
  struct sockaddr_storage peer;
  if (udp->close_wanted) {
    mailbox_close(udp->mailbox);
    net_defer_close(udp->defer);
    free(udp);
    return;
  }
  if (udp->events->is_wanted && !udp->events->is_wanted(udp->owner)) udp->receives = false;
  ssize_t size = udp->receives ? mailbox_take(udp->mailbox, &bytes, &peer) : UV_EAGAIN;
  if (size == UV_EAGAIN) return;
  net_defer_ask(udp->defer);
  if (size >= 0) {
    if (tap_wants(&udp->loop->tap, EVENT_DATAGRAM)) {
      tell_datagram(udp, bytes, (size_t)size, (struct sockaddr *)&peer);
    }
    udp->events->on_datagram(udp->owner, bytes, (size_t)size, (struct sockaddr *)&peer);
  } else if (udp->events->on_error) {
    udp->events->on_error(udp->owner, (int)size);
  }
  net_loop_flush(udp->loop);
}

static void udp_on_mail(void *owner) {
  const struct udp *udp = owner;
  if (udp->receives) net_defer_ask(udp->defer);
}

static int open_mailbox(struct udp *udp, const struct udp_options *options) {
  if (options->descriptor) return UV_ENOTSUP;
  udp->defer = net_defer_new(udp->loop, udp_on_turn, udp);
  if (!udp->defer) return UV_ENOMEM;
  int rc = mailbox_open(udp->loop->network, options->address, options->reuse_address, udp_on_mail,
                        udp, &udp->mailbox);
  if (rc < 0) net_defer_close(udp->defer);
  return rc;
}

/* ----------------------------------------------------------------------------------------------- */

int udp_open(struct net_loop *loop, const struct udp_options *options,
             const struct udp_events *events, void *owner, struct udp **out) {
  *out = NULL;
  struct udp *udp = calloc(1, sizeof *udp);
  if (!udp) {
    if (options->descriptor) close(options->descriptor);
    return UV_ENOMEM;
  }
  udp->events = events;
  udp->owner = owner;
  udp->script = options->script;
  udp->batch = options->batch;
  udp->loop = loop;
  if (loop->network) {
    int rc = open_mailbox(udp, options);
    if (rc < 0) free(udp);
    if (rc == 0) *out = udp;
    return rc;
  }
  unsigned flags = AF_UNSPEC | (options->batch ? UV_UDP_RECVMMSG : 0);
  int rc = uv_udp_init_ex(&loop->uv, &udp->uv, flags);
  if (rc < 0) {
    if (options->descriptor) close(options->descriptor);
    free(udp);
    return rc;
  }
  udp->uv.data = udp;
  unsigned bind_flags = options->reuse_address ? UV_UDP_REUSEADDR : 0;
  if (options->descriptor) {
    rc = uv_udp_open(&udp->uv, options->descriptor);
    if (rc < 0) close(options->descriptor);
  } else {
    rc = uv_udp_bind(&udp->uv, options->address, bind_flags);
  }
  if (rc < 0) {
    uv_close((uv_handle_t *)&udp->uv, on_closed);
    return rc;
  }
  *out = udp;
  return 0;
}

int udp_receive(struct udp *udp, bool on) {
  if (udp->mailbox) {
    udp->receives = on;
    if (on) net_defer_ask(udp->defer);
    return 0;
  }
  if (!on) return uv_udp_recv_stop(&udp->uv);
  int rc = uv_udp_recv_start(&udp->uv, on_alloc, on_receive);
  return rc == UV_EALREADY ? 0 : rc;
}

int udp_send(struct udp *udp, const char *bytes, size_t size, const struct sockaddr *peer) {
  if (size >= DATAGRAM_BYTES_MAX) return UV_EMSGSIZE;
  if (udp->mailbox) return mailbox_send(udp->mailbox, bytes, size, peer);
  const uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)size);
  int rc = uv_udp_try_send(&udp->uv, &buf, 1, peer);
  return rc < 0 ? rc : 0;
}

int udp_connect(struct udp *udp, const struct sockaddr *peer) {
  if (!udp->mailbox) return uv_udp_connect(&udp->uv, peer);
  mailbox_connect(udp->mailbox, peer);
  return 0;
}

int udp_address(const struct udp *udp, struct sockaddr_storage *out, socklen_t *size) {
  int length = sizeof *out;
  if (udp->mailbox) {
    *size = address_size(mailbox_address(udp->mailbox));
    memcpy(out, mailbox_address(udp->mailbox), *size);
    return 0;
  }
  int rc = uv_udp_getsockname(&udp->uv, (struct sockaddr *)out, &length);
  *size = (socklen_t)length;
  return rc;
}

int udp_descriptor(const struct udp *udp) {
  uv_os_fd_t fd;
  if (udp->mailbox) return UV_ENOTSUP;
  int rc = uv_fileno((const uv_handle_t *)&udp->uv, &fd);
  assert(rc == 0); /* it is bound, so it has one */
  (void)rc;
  return fd;
}

void udp_close(struct udp *udp) {
  udp->close_wanted = true;
  if (udp->mailbox) {
    mailbox_unbind(udp->mailbox);
    net_defer_ask(udp->defer);
    return;
  }
  if (!udp->in_batch) uv_close((uv_handle_t *)&udp->uv, on_closed);
}
