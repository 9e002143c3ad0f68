/* net/connect.h — connections over sockets, or the network in memory: accepted, or begun by us. Knows
 * no Lua. */
#pragma once

#include <sys/socket.h>

struct conn;
struct conn_door;
struct conn_group;
struct incoming; /* opaque; what a listener brought */
struct tls_context;
struct connect_attempt; /* opaque; gone when on_done is called, or after net_connect_cancel() */

/* How a connection begins that was accepted. */
struct accepting {
  unsigned listener_index;      /* what conn_listener_index() gives back */
  struct tls_context *tls;      /* it begins with a handshake; or NULL */
  const struct conn_door *door; /* before all that with the header of a proxy; or NULL */
  void *door_owner;
};

/* Makes a connection of it. With neither TLS nor a header on_open is mostly called before it returns.
 * On failure: a negative UV_E*, the peer is let go, and no event is called. */
int net_accept(struct conn_group *group, struct incoming *incoming, const struct sockaddr *peer,
               const struct accepting *accepting);
/* The same of a descriptor that is connected; it is ours from here on, also on failure. */
int net_adopt(struct conn_group *group, int fd, const struct sockaddr *peer,
              unsigned listener_index);
/* Of one of the kernel's; -1: it is of the network in memory. */
int net_incoming_descriptor(const struct incoming *incoming);
/* Another process has it, too, and goes on with it. */
void net_let_go(struct incoming *incoming);
/* What another process has accepted, as if a listener with those events had. */
struct listener_events;
void net_bring(const struct listener_events *events, void *owner, int fd,
               const struct sockaddr *peer);
void net_refuse_descriptor(int fd);
/* With an RST: a close in peace would leave our end of it in the kernel. */
void net_refuse(struct incoming *incoming);

/* The connection that has just begun on `pipe`, of the network in memory; NULL: none has. */
struct memory_pipe;
struct conn *net_conn_on(const struct memory_pipe *pipe);

/* Begins to connect to a TCP or a Unix address. on_done comes from the loop, once: with the
 * connection, whose on_open was called, or with NULL and a negative UV_E*.
 * Returns 0 and *out, or a negative UV_E*, and then on_done is not called. */
int net_connect(struct conn_group *group, const struct sockaddr *address,
                void (*on_done)(void *owner, struct conn *conn, int rc), void *owner,
                struct connect_attempt **out);
/* on_done will not be called. */
void net_connect_cancel(struct connect_attempt *attempt);
