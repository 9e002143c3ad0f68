/* net/tcp_info.c — what the kernel knows of a connection: TCP_INFO and the queues of tcp(7). */
#include "net/tcp_info.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <uv.h>

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

int net_tcp_info_read(int fd, struct net_tcp_info *out) {
  struct tcp_info info = {0};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return uv_translate_sys_error(errno);
  *out = (struct net_tcp_info){
      .state = state_name(info.tcpi_state),
      .rtt_us = info.tcpi_rtt,
      .rtt_variation_us = info.tcpi_rttvar,
      .retransmits = info.tcpi_total_retrans,
      .unacked = info.tcpi_unacked,
      .lost = info.tcpi_lost,
      .congestion_window = info.tcpi_snd_cwnd,
      .send_mss = info.tcpi_snd_mss,
      .receive_space = info.tcpi_rcv_space,
      .unread = net_unread_bytes(fd),
      .unsent = net_unsent_bytes(fd),
  };
  return 0;
}

static uint64_t waiting_bytes(int fd, unsigned long which) {
  int bytes = 0;
  return ioctl(fd, which, &bytes) < 0 ? 0 : (uint64_t)bytes;
}

uint64_t net_unread_bytes(int fd) {
  return waiting_bytes(fd, SIOCINQ);
}

uint64_t net_unsent_bytes(int fd) {
  return waiting_bytes(fd, SIOCOUTQ);
}
