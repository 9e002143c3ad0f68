/* baseline_udp.c — the UDP echo that an expert writes in plain C on libuv. Knows no Lua.
 *
 * The yardstick for datagrams: recvmmsg(2) takes as many as libuv takes at once, and each is answered
 * straight from the buffer, without a request and without a copy. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

/* libuv cuts the buffer into slots of 64 KiB and uses at most 20 of them. */
enum { SLOT_BYTES = 64 * 1024, SLOTS = 20 };

static char receive_buffer[SLOTS * SLOT_BYTES];

static void check(int rc, const char *what) {
  if (rc >= 0) return;
  fprintf(stderr, "baseline_udp: %s: %s\n", what, uv_strerror(rc));
  exit(EXIT_FAILURE);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  (void)handle, (void)suggested;
  *out = uv_buf_init(receive_buffer, sizeof receive_buffer);
}

static void on_receive(uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer,
                       const struct sockaddr *peer, unsigned flags) {
  (void)flags;
  if (size < 0 || peer == NULL) /* an error of an earlier answer; or nothing left to read */
    return;
  uv_buf_t reply = uv_buf_init(buffer->base, (unsigned)size);
  int sent = uv_udp_try_send(udp, &reply, 1, peer);
  (void)sent; /* what the kernel does not take now is lost, as datagrams may be */
}

/* The line that bench/run waits for; the same that moonport logs. */
static void print_listening(const uv_udp_t *udp) {
  struct sockaddr_in addr;
  int size = sizeof addr;
  check(uv_udp_getsockname(udp, (struct sockaddr *)&addr, &size), "uv_udp_getsockname");
  fprintf(stderr, "listening on udp://127.0.0.1:%d\n", ntohs(addr.sin_port));
}

int main(void) {
  uv_loop_t *loop = uv_default_loop();
  uv_udp_t udp;
  struct sockaddr_in addr;
  check(uv_ip4_addr("127.0.0.1", 0, &addr), "uv_ip4_addr");
  check(uv_udp_init_ex(loop, &udp, AF_INET | UV_UDP_RECVMMSG), "uv_udp_init_ex");
  check(uv_udp_bind(&udp, (const struct sockaddr *)&addr, 0), "uv_udp_bind");
  check(uv_udp_recv_start(&udp, on_alloc, on_receive), "uv_udp_recv_start");
  print_listening(&udp);
  return uv_run(loop, UV_RUN_DEFAULT);
}
