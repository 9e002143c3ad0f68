/* net/transport_plain.c — bytes as they are, over TCP or a Unix socket. Knows libuv, not Lua. */
#include "net/transport.h"

#include "net/conn_state.h"
#include "net/loop_state.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  const struct conn *conn = handle->data;
  struct net_loop *loop = handle->loop->data;
  /* An empty buffer makes libuv leave its read loop, at no system call: the descriptor is still
   * readable and comes up again in the next turn, behind the others. */
  bool may_read = !(conn->flags & TURN_BULK) || turn_may_read(&loop->turn, conn->flags);
  *buf = uv_buf_init(loop->read_buffer, may_read ? READ_BUFFER_BYTES : 0);
}

/* Where the end came in one wake-up with the last bytes, libuv does not read again, and calls a
 * reset an end of file too; it gives no buffer then. */
static int end_of(const struct conn *conn, int rc, const uv_buf_t *buf) {
  int error = 0;
  socklen_t size = sizeof error;
  if (rc != UV_EOF || buf->base) return rc;
  int fd = conn_descriptor(conn);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error == 0) return rc;
  return uv_translate_sys_error(error);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  struct conn *conn = stream->data;
  if (nread == READ_BUFFER_BYTES) {
    struct net_loop *loop = stream->loop->data;
    turn_count(&loop->turn, &conn->flags, (size_t)nread);
  } else if (nread > 0) {
    conn->flags &= ~(uint32_t)TURN_BULK;
  }
  if (nread > 0) {
    conn_received(conn, buf->base, (size_t)nread);
  } else if (nread < 0 && nread != UV_ENOBUFS) {
    conn_read_ended(conn, end_of(conn, (int)nread, buf));
  }
}

static int plain_read_start(struct conn *conn) {
  return uv_read_start(&conn->io.stream, on_alloc, on_read);
}

static void plain_read_stop(struct conn *conn) {
  uv_read_stop(&conn->io.stream); /* always 0 */
}

static ssize_t plain_write_now(struct conn *conn, const uv_buf_t *bufs, unsigned count) {
  int rc = uv_try_write(&conn->io.stream, bufs, count);
  return rc == UV_EAGAIN ? 0 : rc;
}

static int plain_write(struct conn *conn, uv_write_t *request, const uv_buf_t *bufs, unsigned count,
                       uv_write_cb done) {
  return uv_write(request, &conn->io.stream, bufs, count, done);
}

static int plain_send_fin(struct conn *conn) {
  /* Nothing is queued in libuv here, so uv_shutdown() and its request would only repeat this. */
  return shutdown(conn_descriptor(conn), SHUT_WR) < 0 ? uv_translate_sys_error(errno) : 0;
}

static size_t plain_unacknowledged(const struct conn *conn) {
  int in_kernel = 0;
  if (ioctl(conn_descriptor(conn), SIOCOUTQ, &in_kernel) < 0) in_kernel = 0;
  return uv_stream_get_write_queue_size(&conn->io.stream) + (size_t)in_kernel;
}

const struct transport transport_plain = {
    .name = "plain",
    .read_start = plain_read_start,
    .read_stop = plain_read_stop,
    .write_now = plain_write_now,
    .write = plain_write,
    .send_fin = plain_send_fin,
    .unacknowledged = plain_unacknowledged,
};
