/* net/transport.h — how a connection's bytes reach the wire: the seam under net/conn.c, for net/ only.
 *
 * A connection knows order, queues and deadlines; a transport knows what the bytes look like outside.
 * A connection may change its transport while it is open (STARTTLS). */
#ifndef MOONPORT_NET_TRANSPORT_H
#define MOONPORT_NET_TRANSPORT_H

#include <sys/types.h>
#include <uv.h>

struct conn;

struct transport {
  const char *name;
  /* What arrives goes to conn_received(), the end of it to conn_read_ended(). */
  int (*read_start)(struct conn *conn);
  void (*read_stop)(struct conn *conn);
  /* Writes without waiting. The bytes taken (0 when the kernel takes none now), or UV_E*. Not while
   * a write() is under way. */
  ssize_t (*write_now)(struct conn *conn, const uv_buf_t *bufs, unsigned count);
  /* Writes all of it, then calls `done`. One at a time; the bytes stay until then. */
  int (*write)(struct conn *conn, uv_write_t *request, const uv_buf_t *bufs, unsigned count,
               uv_write_cb done);
  int (*send_fin)(struct conn *conn); /* 0 or UV_E*: the peer has reset */
  /* Bytes handed over that the peer has not acknowledged, as far as that can be known. */
  size_t (*unacknowledged)(const struct conn *conn);
  /* The connection is closed: frees what the transport keeps for it. NULL: nothing. */
  void (*end)(struct conn *conn);
};

extern const struct transport transport_plain;

#endif
