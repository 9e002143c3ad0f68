/* baseline_echo.c — the echo server that an expert writes in plain C on libuv. Knows no Lua.
 *
 * The yardstick of the bench table, so nothing here is slower than it has to be: one read buffer for
 * all connections, an immediate write that needs no request and no copy, and only what the socket
 * does not take is copied and queued; until it is gone, that connection is not read. No option is
 * set on an accepted socket, and memory that was freed once is kept. With the argument `broadcast`,
 * what one connection sends goes to all; each is greeted first with a +. */
#include "baseline.h"
#include "baseline_rest.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { CONNECTIONS_MAX = 65536 };

struct conn {
  uv_tcp_t tcp; /* first: a handle is its connection */
  size_t place; /* in conns */
};

static struct conn *conns[CONNECTIONS_MAX];
static size_t conn_count;
static bool broadcasting;

static void on_closed(uv_handle_t *handle) {
  free(handle);
}

void stream_close(uv_stream_t *stream) {
  struct conn *conn = (struct conn *)stream;
  if (uv_is_closing((uv_handle_t *)stream)) return;
  conns[conn->place] = conns[--conn_count];
  conns[conn->place]->place = conn->place;
  uv_close((uv_handle_t *)stream, on_closed);
}

static void stream_send(uv_stream_t *stream, const char *bytes, size_t size) {
  uv_buf_t piece = uv_buf_init((char *)bytes, (unsigned)size);
  int written = uv_try_write(stream, &piece, 1);
  if (written == UV_EAGAIN) written = 0;
  if (written < 0)
    stream_close(stream);
  else if ((size_t)written < size)
    write_rest(stream, bytes + written, size - (size_t)written);
}

/* From the last one on: one that is closed gives its place to a later one. */
static void broadcast(const char *bytes, size_t size) {
  for (size_t i = conn_count; i > 0; i--) stream_send((uv_stream_t *)conns[i - 1], bytes, size);
}

void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  if (size == 0) /* the socket had nothing after all */
    return;
  if (size < 0) /* UV_EOF or an error: nothing is queued, or reading would have stopped */
    stream_close(stream);
  else if (broadcasting)
    broadcast(buffer->base, (size_t)size);
  else
    stream_send(stream, buffer->base, (size_t)size);
}

static void on_connection(uv_stream_t *listener, int status) {
  if (status < 0 || conn_count == CONNECTIONS_MAX) return;
  struct conn *conn = malloc(sizeof *conn);
  if (conn == NULL) return;
  check(uv_tcp_init(listener->loop, &conn->tcp), "uv_tcp_init");
  conn->place = conn_count;
  conns[conn_count++] = conn;
  if (uv_accept(listener, (uv_stream_t *)conn) != 0 ||
      uv_read_start((uv_stream_t *)conn, on_alloc, on_read) != 0)
    stream_close((uv_stream_t *)conn);
  else if (broadcasting)
    stream_send((uv_stream_t *)conn, "+", 1);
}

int main(int argc, char **argv) {
  broadcasting = argc > 1 && strcmp(argv[1], "broadcast") == 0;
  return serve("tcp", on_connection);
}
