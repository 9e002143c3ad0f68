/* net/tcp_info.h — what the kernel knows of a connection: TCP_INFO and the queues of tcp(7). */
#ifndef MOONPORT_NET_TCP_INFO_H
#define MOONPORT_NET_TCP_INFO_H

#include <stdint.h>

struct net_tcp_info {
  const char *state; /* "established", "close-wait", …: static text */
  uint32_t rtt_us;   /* smoothed round-trip time */
  uint32_t rtt_variation_us;
  uint32_t retransmits;       /* segments sent again, since the connection began */
  uint32_t unacked;           /* segments sent and not acknowledged */
  uint32_t lost;              /* segments thought lost */
  uint32_t congestion_window; /* segments */
  uint32_t send_mss;          /* bytes in a segment */
  uint32_t receive_space;     /* bytes the kernel offers the peer, about */
  uint64_t receive_window;    /* bytes it offers now; EVENT_UNKNOWN: the kernel is older than 6.2 */
  uint64_t peer_window;       /* bytes the peer offers; EVENT_UNKNOWN: it is older than 5.4 */
  uint64_t unread;            /* net_unread_bytes() */
  uint64_t in_flight;         /* bytes that went to the peer, and are not acknowledged */
  uint64_t unsent;            /* bytes that the kernel took, and has not sent yet */
  uint64_t bytes_in;          /* that came, read or not: on the wire, so with TLS its records */
};

/* 0, or a negative UV_E*: UV_ENOTSUP on a Unix socket. */
int net_tcp_info_read(int fd, struct net_tcp_info *out);

/* Of a listening socket: connections that nobody has accepted yet, and how many may wait. */
struct net_backlog {
  uint32_t waiting, limit;
};
/* The same. */
int net_backlog_read(int fd, struct net_backlog *out);

/* Bytes that arrived, and that nobody has read yet (SIOCINQ); 0 where the kernel does not tell. */
uint64_t net_unread_bytes(int fd);
/* Bytes that the kernel took, and the peer has not acknowledged (SIOCOUTQ); 0 likewise. */
uint64_t net_unacknowledged_bytes(int fd);

#endif
