/* net/conn_proxy.h — what a proxy says of the connection that it passes on, and what we say of ours. Knows no
 * list of proxies, and no Lua. */
#pragma once

#include "net/conn.h"

struct proxy_header;
struct sockaddr_storage;

/* Who decides about connections that begin with the header of a proxy. */
struct conn_door {
  /* conn_peer() is the client's now. False: it is reset, with REASON_LIMIT. */
  bool (*is_welcome)(void *owner, const struct conn *conn);
  /* It is reset, for the header is at fault: why, in static text. */
  void (*on_fault)(void *owner, const struct conn *conn, const char *fault);
};

/* The next four are of one that net_accept() was given a door for.
 *
 * False: of those only, until the header has come, and of what the proxy says for itself. Then conn_peer()
 * is the proxy's. */
bool conn_is_of_client(const struct conn *conn);
/* Whether it is among the accepted ones of its group: those that a proxy passes on are, once they are open. */
bool conn_is_counted(const struct conn *conn);
/* The proxy's address. NULL: it is of no proxy, or that has not said anything so far. */
const struct sockaddr *conn_via(const struct conn *conn, socklen_t *size);
/* What it said. NULL as above. */
const struct proxy_header *conn_proxy_header(const struct conn *conn);

/* A header for what `conn` is sent, as the first bytes of all: with its own addresses, as they were passed on to
 * us. 0; or UV_ENOTCONN: they are not known any more. */
int conn_proxy_describe(const struct conn *conn, struct proxy_header *out);
/* The same of two addresses; without addresses, unless both are of the internet. */
void conn_proxy_between(const struct sockaddr *client, const struct sockaddr *reached,
                        struct proxy_header *out);
/* Sends it at once. As conn_send_copied(). */
int conn_send_proxy_header(struct conn *conn, const struct proxy_header *header);
