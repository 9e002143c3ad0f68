/* baseline_echo.c — the echo server that an expert writes in plain C on libuv. Knows no Lua.
 *
 * The yardstick of the bench table, so nothing here is slower than it has to be: one read buffer for
 * all connections, an immediate write that needs no request and no copy, and only what the socket
 * does not take is copied and queued; until it is gone, that connection is not read. No option is
 * set on an accepted socket, and memory that was freed once is kept. With the argument `broadcast`,
 * what one connection sends goes to all; each is greeted first with a +. */
#include <arpa/inet.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* libuv asks the socket again after a full buffer, so that a piece should not fill it. */
enum { BACKLOG = 511, READ_BUFFER_BYTES = 128 * 1024, CONNECTIONS_MAX = 65536 };
enum { MAPPED_FROM_BYTES = 32 * 1024 * 1024 };

struct conn {
  uv_tcp_t tcp; /* first: a handle is its connection */
  size_t place; /* in conns */
};

/* What a socket did not take at once. */
struct rest {
  uv_write_t request;
  char bytes[];
};

static char read_buffer[READ_BUFFER_BYTES]; /* one is enough: its bytes never outlive on_read */
static struct conn *conns[CONNECTIONS_MAX];
static size_t conn_count;
static bool broadcasting;

static void check(int rc, const char *what) {
  if (rc >= 0) return;
  fprintf(stderr, "baseline_echo: %s: %s\n", what, uv_strerror(rc));
  exit(EXIT_FAILURE);
}

static void on_closed(uv_handle_t *handle) {
  free(handle);
}

static void stream_close(uv_stream_t *stream) {
  struct conn *conn = (struct conn *)stream;
  if (uv_is_closing((uv_handle_t *)stream)) return;
  conns[conn->place] = conns[--conn_count];
  conns[conn->place]->place = conn->place;
  uv_close((uv_handle_t *)stream, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  (void)handle, (void)suggested;
  *out = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_rest_written(uv_write_t *request, int status) {
  uv_stream_t *stream = request->handle;
  free(request); /* the first member of its struct rest */
  if (status < 0 || uv_read_start(stream, on_alloc, on_read) != 0) stream_close(stream);
}

static void write_rest(uv_stream_t *stream, const char *bytes, size_t size) {
  struct rest *rest = malloc(sizeof *rest + size);
  if (rest == NULL) {
    stream_close(stream);
    return;
  }
  memcpy(rest->bytes, bytes, size);
  uv_buf_t buffer = uv_buf_init(rest->bytes, (unsigned)size);
  uv_read_stop(stream);
  if (uv_write(&rest->request, stream, &buffer, 1, on_rest_written) != 0) {
    free(rest);
    stream_close(stream);
  }
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

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
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

/* The line that bench/run waits for; the same that moonport logs. */
static void print_listening(const uv_tcp_t *listener) {
  struct sockaddr_in addr;
  int size = sizeof addr;
  check(uv_tcp_getsockname(listener, (struct sockaddr *)&addr, &size), "uv_tcp_getsockname");
  fprintf(stderr, "listening on tcp://127.0.0.1:%d\n", ntohs(addr.sin_port));
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t listener;
  struct sockaddr_in addr;
  broadcasting = argc > 1 && strcmp(argv[1], "broadcast") == 0;
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
  signal(SIGPIPE, SIG_IGN);
  check(uv_ip4_addr("127.0.0.1", 0, &addr), "uv_ip4_addr");
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  check(uv_tcp_bind(&listener, (const struct sockaddr *)&addr, 0), "uv_tcp_bind");
  /* After bind there is a descriptor to set it on, and each accepted socket inherits it. */
  check(uv_tcp_nodelay(&listener, 1), "uv_tcp_nodelay");
  check(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection), "uv_listen");
  print_listening(&listener);
  return uv_run(loop, UV_RUN_DEFAULT);
}
