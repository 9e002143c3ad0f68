/* net/transport/plain.c — the lowest layer: a socket's bytes as they are, through libuv's streams, on any
 * system. Knows no connection.
 *
 * How it fails:
 *   - connect(2) is refused, or takes too long: `failed`, in place of `ready`.
 *   - The peer sends RST, or the network gives up: `failed` when it is read or written, else what
 *     `error` and `finish` say.
 *   - The peer takes nothing more: `written` does not come; nobody but a deadline ends that.
 *   - Memory is out: write() and open say so, and nothing was begun.
 *   - Closed with bytes unread, the kernel sends RST in place of FIN. */
#include "net/transport/socket.h"

#include "base/address.h"
#include "base/list.h"
#include "base/platform.h"
#include "net/bind.h"
#include "net/loop_state.h"

#include <stdlib.h>
#include <sys/un.h>

enum {
  PLAIN_CONNECTING = 1 << 0, /* beside the flags of net/turn.h */
};

/* Who is above it is the handle's `data`. */
struct plain {
  struct transport transport;
  uint32_t flags;
  uint32_t room;
  union { /* last, and only as large as its kind */
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } io;
};

static struct plain *plain_of(const struct transport *self) {
  return (struct plain *)self;
}

static struct plain *plain_of_handle(void *handle) {
  return LIST_ELEMENT(handle, struct plain, io);
}

static struct transport *plain_above(const uv_handle_t *handle) {
  return handle->data;
}

static void plain_set_above(struct transport *self, struct transport *layer) {
  plain_of(self)->io.handle.data = layer;
}

/* --- Facts ----------------------------------------------------------------------------------- */

static int plain_descriptor(const struct transport *self) {
  uv_os_fd_t fd;
  int rc = uv_fileno(&plain_of(self)->io.handle, &fd);
  return rc < 0 ? rc : fd;
}

static size_t plain_unacknowledged(const struct transport *self) {
  size_t in_kernel = platform_unacknowledged_bytes(plain_descriptor(self));
  return uv_stream_get_write_queue_size(&plain_of(self)->io.stream) + in_kernel;
}

/* --- Opening --------------------------------------------------------------------------------- */

static void connect_done(uv_handle_t *handle, int status) {
  if (uv_is_closing(handle)) return;
  plain_of_handle(handle)->flags &= ~(uint32_t)PLAIN_CONNECTING;
  if (status < 0) {
    plain_above(handle)->ops->failed(plain_above(handle), status);
    return;
  }
  if (handle->type == UV_TCP) {
    (void)bind_set_tcp_options(plain_descriptor((struct transport *)plain_of_handle(handle)));
  }
  plain_above(handle)->ops->ready(plain_above(handle));
}

static void plain_on_connected(uv_connect_t *request, int status) {
  uv_handle_t *handle = (uv_handle_t *)request->handle;
  free(request);
  connect_done(handle, status);
}

static void plain_on_wrote_nothing(uv_write_t *request, int status) {
  uv_handle_t *handle = (uv_handle_t *)request->handle;
  free(request);
  connect_done(handle, status);
}

/* libuv takes a name to end with its first NUL. connect(2) to a Unix socket does not wait; a write of
 * nothing tells of it in the next turn, as others do. */
static int connect_abstract(struct plain *plain, const struct sockaddr *address) {
  int fd = platform_socket(AF_UNIX, SOCK_STREAM, false);
  if (fd < 0) return uv_translate_sys_error(errno);
  int rc = connect(fd, address, address_size(address));
  rc = rc < 0 ? uv_translate_sys_error(errno) : uv_pipe_open(&plain->io.pipe, fd);
  if (rc < 0) {
    close(fd);
    return rc;
  }
  const uv_buf_t nothing = uv_buf_init(NULL, 0);
  uv_write_t *request = malloc(sizeof *request);
  rc = request ? uv_write(request, &plain->io.stream, &nothing, 1, plain_on_wrote_nothing)
               : UV_ENOMEM;
  if (rc < 0) free(request);
  plain->flags |= PLAIN_CONNECTING;
  return rc;
}

static int plain_connect(struct transport *self, const struct sockaddr *address) {
  struct plain *plain = plain_of(self);
  const char *path = address->sa_family == AF_UNIX
                         ? ((const struct sockaddr_un *)(const void *)address)->sun_path
                         : NULL;
  if (path && !path[0]) return connect_abstract(plain, address);
  uv_connect_t *request = malloc(sizeof *request);
  if (!request) return UV_ENOMEM;
  int rc = 0;
  if (path) {
    uv_pipe_connect(request, &plain->io.pipe, path, plain_on_connected);
  } else {
    rc = uv_tcp_connect(request, &plain->io.tcp, address, plain_on_connected);
  }
  if (rc < 0) free(request);
  plain->flags |= PLAIN_CONNECTING;
  return rc;
}

static int plain_adopt(struct transport *self, int fd) {
  struct plain *plain = plain_of(self);
  bool is_tcp = plain->io.handle.type == UV_TCP;
  return is_tcp ? uv_tcp_open(&plain->io.tcp, fd) : uv_pipe_open(&plain->io.pipe, fd);
}

static int plain_open(struct transport *self) {
  const struct plain *plain = plain_of(self);
  struct transport *layer = plain_above(&plain->io.handle);
  if (!(plain->flags & PLAIN_CONNECTING)) layer->ops->ready(layer);
  return 0;
}

/* --- Reading --------------------------------------------------------------------------------- */

static void plain_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  const struct plain *plain = plain_of_handle(handle);
  struct net_loop *loop = handle->loop->data;
  /* An empty buffer makes libuv leave its read loop, at no system call: the descriptor is still
   * readable and comes up again in the next turn, behind the others. */
  bool may_read = !(plain->flags & TURN_BULK) || turn_may_read(&loop->turn, plain->flags);
  *buf = uv_buf_init(loop->read_buffer, may_read ? plain->room : 0);
}

/* Where the end came in one wake-up with the last bytes, libuv does not read again, and calls a
 * reset an end of file too; it gives no buffer then. */
static void plain_tell_end(struct plain *plain, int rc, bool was_read) {
  struct transport *layer = plain_above(&plain->io.handle);
  int error = rc == UV_EOF && !was_read ? socket_error(&plain->transport) : 0;
  if (error < 0) {
    layer->ops->failed(layer, error);
  } else if (rc == UV_EOF) {
    layer->ops->ended(layer);
  } else {
    layer->ops->failed(layer, rc);
  }
}

static void plain_on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  struct plain *plain = plain_of_handle(stream);
  struct transport *layer = plain_above(&plain->io.handle);
  if (nread > 0 && turn_is_full((size_t)nread, plain->room)) {
    struct net_loop *loop = stream->loop->data;
    turn_count(&loop->turn, &plain->flags, (size_t)nread);
  } else if (nread > 0) {
    plain->flags &= ~(uint32_t)TURN_BULK;
  }
  if (nread > 0) {
    layer->ops->received(layer, buf->base, (size_t)nread);
  } else if (nread == UV_ENOBUFS) {
    if (plain->room == 0) layer->ops->received(layer, NULL, 0);
  } else if (nread < 0) {
    plain_tell_end(plain, (int)nread, buf->base != NULL);
  }
}

static int plain_read_start(struct transport *self, size_t room) {
  struct plain *plain = plain_of(self);
  plain->room = (uint32_t)room;
  int rc = uv_read_start(&plain->io.stream, plain_on_alloc, plain_on_read);
  return rc == UV_EALREADY ? 0 : rc;
}

static void plain_read_stop(struct transport *self) {
  uv_read_stop(&plain_of(self)->io.stream); /* always 0 */
}

/* --- Writing --------------------------------------------------------------------------------- */

/* Nothing is queued in libuv here: uv_try_write() would only make sure of that. */
static ssize_t plain_write_now(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  return socket_write(plain_descriptor(self), bufs, count);
}

static void plain_on_written(uv_write_t *request, int status) {
  uv_handle_t *handle = (uv_handle_t *)request->handle;
  struct transport *layer = plain_above(handle);
  free(request);
  if (uv_is_closing(handle)) return;
  if (status < 0) {
    layer->ops->failed(layer, status);
  } else {
    layer->ops->written(layer);
  }
}

static int plain_write(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  uv_write_t *request = malloc(sizeof *request);
  if (!request) return UV_ENOMEM;
  int rc = uv_write(request, &plain_of(self)->io.stream, bufs, count, plain_on_written);
  if (rc < 0) free(request);
  return rc;
}

/* --- Closing --------------------------------------------------------------------------------- */

static void plain_on_closed(uv_handle_t *handle) {
  plain_above(handle)->ops->closed(plain_above(handle));
}

static void plain_close(struct transport *self) {
  uv_close(&plain_of(self)->io.handle, plain_on_closed);
}

static void plain_reset(struct transport *self) {
  struct plain *plain = plain_of(self);
  bool is_tcp = plain->io.handle.type == UV_TCP;
  if (!is_tcp || uv_tcp_close_reset(&plain->io.tcp, plain_on_closed) < 0) plain_close(self);
}

static size_t plain_size(bool is_unix) {
  return offsetof(struct plain, io) + (is_unix ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t));
}

static void plain_init(struct transport *self, struct transport *above, struct net_loop *loop,
                       bool is_unix) {
  static const struct transport_facts facts = {
      .descriptor = plain_descriptor,
      .local = socket_local,
      .peer = socket_peer,
      .tcp_info = socket_tcp_info,
      .error = socket_error,
  };
  static const struct transport_ops ops = {
      .facts = &facts,
      .set_above = plain_set_above,
      .open = plain_open,
      .read_start = plain_read_start,
      .read_stop = plain_read_stop,
      .write_now = plain_write_now,
      .write = plain_write,
      .finish = socket_finish,
      .reset = plain_reset,
      .close = plain_close,
      .unread = socket_unread,
      .unacknowledged = plain_unacknowledged,
  };
  struct plain *plain = plain_of(self);
  plain->transport.ops = &ops;
  if (is_unix) {
    uv_pipe_init(&loop->uv, &plain->io.pipe, 0);
  } else {
    uv_tcp_init(&loop->uv, &plain->io.tcp);
  }
  plain_set_above(self, above);
}

const struct socket_kind plain_sockets = {plain_size,  plain_init, plain_connect,
                                          plain_adopt, NULL,       NULL};
