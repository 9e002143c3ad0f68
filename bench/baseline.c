/* baseline.c — how the servers in plain C listen. Knows no connection. */
#include "baseline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKLOG = 511, MAPPED_FROM_BYTES = 32 * 1024 * 1024 };

static char read_buffer[READ_BUFFER_BYTES];

void check(int rc, const char *what) {
  if (rc >= 0) return;
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, uv_strerror(rc));
  exit(EXIT_FAILURE);
}

void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  (void)handle, (void)suggested;
  *out = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void print_listening(const char *scheme, const uv_tcp_t *listener) {
  struct sockaddr_in addr;
  int size = sizeof addr;
  check(uv_tcp_getsockname(listener, (struct sockaddr *)&addr, &size), "uv_tcp_getsockname");
  fprintf(stderr, "listening on %s://127.0.0.1:%d\n", scheme, ntohs(addr.sin_port));
}

int serve(const char *scheme, uv_connection_cb on_connection) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t listener;
  struct sockaddr_in addr;
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
  signal(SIGPIPE, SIG_IGN);
  check(uv_ip4_addr("127.0.0.1", 0, &addr), "uv_ip4_addr");
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  check(uv_tcp_bind(&listener, (const struct sockaddr *)&addr, 0), "uv_tcp_bind");
  /* After bind there is a descriptor to set it on, and each accepted socket inherits it. */
  check(uv_tcp_nodelay(&listener, 1), "uv_tcp_nodelay");
  check(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection), "uv_listen");
  print_listening(scheme, &listener);
  return uv_run(loop, UV_RUN_DEFAULT);
}
