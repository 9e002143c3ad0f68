/* base/platform/linux_tcp.c — what the kernel knows of a connection: TCP_INFO and the queues of tcp(7). */
#include "base/platform.h"

#include "base/event.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* struct tcp_info of the kernel's include/uapi/linux/tcp.h. A kernel only adds to its end, and says how
 * much of it there is; the one of a C library may be older than the kernel. */
struct kernel_info {
  uint8_t state, flags[7];
  uint32_t rto, ato, snd_mss, rcv_mss;
  uint32_t unacked, sacked; /* of a listening socket: who waits to be accepted, and how many may */
  uint32_t lost, retrans, fackets;
  uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv; /* ms ago */
  uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
  uint32_t rcv_rtt, rcv_space, total_retrans;
  uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
  uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out; /* 4.6 */
  uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
  uint32_t delivered, delivered_ce;
  uint64_t bytes_sent, bytes_retrans;
  uint32_t dsack_dups, reord_seen, rcv_ooopack;
  uint32_t snd_wnd; /* 5.4 */
  uint32_t rcv_wnd; /* 6.2 */
};

/* The state names of ss(8). */
static const char *state_name(unsigned state) {
  static const char *const names[] = {
      "unknown", /* no state is 0 */
      [TCP_ESTABLISHED] = "established",
      [TCP_SYN_SENT] = "syn-sent",
      [TCP_SYN_RECV] = "syn-recv",
      [TCP_FIN_WAIT1] = "fin-wait-1",
      [TCP_FIN_WAIT2] = "fin-wait-2",
      [TCP_TIME_WAIT] = "time-wait",
      [TCP_CLOSE] = "closed",
      [TCP_CLOSE_WAIT] = "close-wait",
      [TCP_LAST_ACK] = "last-ack",
      [TCP_LISTEN] = "listen",
      [TCP_CLOSING] = "closing",
  };
  return names[state < sizeof names / sizeof *names ? state : 0];
}

/* What the kernel does not have is all ones: as a window, EVENT_UNKNOWN. */
static int ask(int fd, struct kernel_info *out) {
  socklen_t size = sizeof *out;
  memset(out, 0xff, sizeof *out);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, out, &size) < 0 ? -errno : 0;
}

static uint64_t window(uint32_t bytes) {
  return bytes == UINT32_MAX ? EVENT_UNKNOWN : bytes;
}

static uint64_t waiting_bytes(int fd, unsigned long which) {
  int bytes = 0;
  return ioctl(fd, which, &bytes) < 0 ? 0 : (uint64_t)bytes;
}

/* FIN takes a number in the stream, which the kernel counts as a byte, the last one. */
static uint64_t unacknowledged_bytes(int fd, unsigned state) {
  const bool has_fin = state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
  const uint64_t size = platform_unacknowledged_bytes(fd);
  return has_fin && size > 0 ? size - 1 : size;
}

static bool has_peers_fin(unsigned state) {
  return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING;
}

int platform_tcp_read(int fd, struct platform_tcp *out) {
  struct kernel_info info;
  int rc = ask(fd, &info);
  if (rc < 0) return rc;
  const uint64_t held = unacknowledged_bytes(fd, info.state);
  const uint64_t unsent = info.notsent_bytes < held ? info.notsent_bytes : held;
  *out = (struct platform_tcp){
      .state = state_name(info.state),
      .rtt_us = info.rtt,
      .rtt_variation_us = info.rttvar,
      .retransmits = info.total_retrans,
      .unacked = info.unacked,
      .lost = info.lost,
      .congestion_window = info.snd_cwnd,
      .send_mss = info.snd_mss,
      .receive_space = info.rcv_space,
      .receive_window = window(info.rcv_wnd),
      .peer_window = window(info.snd_wnd),
      .unread = platform_unread_bytes(fd),
      .in_flight = held - unsent,
      .unsent = unsent,
      .bytes_in = info.bytes_received - (has_peers_fin(info.state) && info.bytes_received > 0),
  };
  return 0;
}

int platform_backlog_read(int fd, struct platform_backlog *out) {
  struct kernel_info info;
  int rc = ask(fd, &info);
  if (rc < 0) return rc;
  *out = (struct platform_backlog){.waiting = info.unacked, .limit = info.sacked};
  return 0;
}

uint64_t platform_unread_bytes(int fd) {
  return waiting_bytes(fd, SIOCINQ);
}

uint64_t platform_unacknowledged_bytes(int fd) {
  return waiting_bytes(fd, SIOCOUTQ);
}
