/* baseline_proxy.c — the TCP proxy that an expert writes in plain C on libuv. Knows no Lua.
 *
 * The yardstick for conn:forward. A pair is a client's connection and one to the upstream; each is an
 * end, and what is read from one is written to the other from the one static buffer. What the socket
 * does not take is copied and queued, and until it is gone the end that it came from is not read.
 * An end's FIN goes along to the other; when both have come, or either breaks, the pair is closed. */
#include "baseline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { ADDRESS_BYTES_MAX = 64 };

struct pair;

struct end {
  uv_tcp_t tcp; /* first: a handle is its end */
  struct pair *pair;
  struct end *other;
  uv_shutdown_t shutdown;
  bool eof; /* its peer has sent FIN */
};

struct pair {
  struct end client;
  struct end upstream;
  uv_connect_t connect;
  int open; /* ends that are not closed yet */
};

/* What a socket did not take at once. */
struct rest {
  uv_write_t request; /* first: a request is its rest */
  char bytes[];
};

static struct sockaddr_in upstream_addr;

static void on_closed(uv_handle_t *handle) {
  struct pair *pair = ((struct end *)handle)->pair;
  if (--pair->open == 0) free(pair);
}

static void end_close(struct end *end) {
  if (!uv_is_closing((uv_handle_t *)&end->tcp)) uv_close((uv_handle_t *)&end->tcp, on_closed);
}

static void pair_close(struct pair *pair) {
  end_close(&pair->client);
  end_close(&pair->upstream);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_rest_written(uv_write_t *request, int status) {
  struct end *from = ((struct end *)request->handle)->other;
  free(request);
  if (uv_is_closing((uv_handle_t *)&from->tcp)) return;
  if (status < 0 || uv_read_start((uv_stream_t *)&from->tcp, on_alloc, on_read) != 0)
    pair_close(from->pair);
}

static void write_rest(struct end *from, const char *bytes, size_t size) {
  struct rest *rest = malloc(sizeof *rest + size);
  if (rest == NULL) {
    pair_close(from->pair);
    return;
  }
  memcpy(rest->bytes, bytes, size);
  uv_buf_t buffer = uv_buf_init(rest->bytes, (unsigned)size);
  uv_read_stop((uv_stream_t *)&from->tcp);
  if (uv_write(&rest->request, (uv_stream_t *)&from->other->tcp, &buffer, 1, on_rest_written) !=
      0) {
    free(rest);
    pair_close(from->pair);
  }
}

static void on_shut_down(uv_shutdown_t *request, int status) {
  struct end *end = (struct end *)request->handle;
  if (status < 0 || end->eof) pair_close(end->pair);
}

/* FIN of one end becomes FIN of the other. Nothing is queued there, or `from` would not be read. */
static void pass_eof_on(struct end *from) {
  from->eof = true;
  if (uv_shutdown(&from->other->shutdown, (uv_stream_t *)&from->other->tcp, on_shut_down) != 0)
    pair_close(from->pair);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  struct end *from = (struct end *)stream;
  if (size == 0) /* the socket had nothing after all */
    return;
  if (size == UV_EOF) {
    pass_eof_on(from);
    return;
  }
  if (size < 0) {
    pair_close(from->pair);
    return;
  }
  uv_buf_t piece = uv_buf_init(buffer->base, (unsigned)size);
  int written = uv_try_write((uv_stream_t *)&from->other->tcp, &piece, 1);
  if (written == UV_EAGAIN) written = 0;
  if (written < 0)
    pair_close(from->pair);
  else if (written < size)
    write_rest(from, buffer->base + written, (size_t)(size - written));
}

static void on_connected(uv_connect_t *request, int status) {
  struct pair *pair = ((struct end *)request->handle)->pair;
  if (status == UV_ECANCELED) /* the pair is being closed */
    return;
  if (status < 0 || uv_tcp_nodelay(&pair->upstream.tcp, 1) != 0 ||
      uv_read_start((uv_stream_t *)&pair->client.tcp, on_alloc, on_read) != 0 ||
      uv_read_start((uv_stream_t *)&pair->upstream.tcp, on_alloc, on_read) != 0)
    pair_close(pair);
}

static void end_init(uv_loop_t *loop, struct end *end, struct pair *pair, struct end *other) {
  check(uv_tcp_init(loop, &end->tcp), "uv_tcp_init");
  end->pair = pair;
  end->other = other;
  pair->open++;
}

static void on_connection(uv_stream_t *listener, int status) {
  if (status < 0) return;
  struct pair *pair = calloc(1, sizeof *pair);
  if (pair == NULL) return;
  end_init(listener->loop, &pair->client, pair, &pair->upstream);
  end_init(listener->loop, &pair->upstream, pair, &pair->client);
  if (uv_accept(listener, (uv_stream_t *)&pair->client.tcp) != 0 ||
      uv_tcp_connect(&pair->connect, &pair->upstream.tcp, (const struct sockaddr *)&upstream_addr,
                     on_connected) != 0)
    pair_close(pair);
}

/* "127.0.0.1:7000" */
static int parse_address(const char *text, struct sockaddr_in *out) {
  char host[ADDRESS_BYTES_MAX];
  const char *colon = strrchr(text, ':');
  if (colon == NULL || (size_t)(colon - text) >= sizeof host) return UV_EINVAL;
  memcpy(host, text, (size_t)(colon - text));
  host[colon - text] = '\0';
  long port = strtol(colon + 1, NULL, 10);
  return port < 1 || port > 65535 ? UV_EINVAL : uv_ip4_addr(host, (int)port, out);
}

int main(int argc, char **argv) {
  check(argc == 2 ? parse_address(argv[1], &upstream_addr) : UV_EINVAL,
        "the upstream's address is needed, as in 127.0.0.1:7000");
  return serve("tcp", on_connection);
}
