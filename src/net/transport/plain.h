/* net/transport/plain.h — bytes as they are, over TCP or a Unix socket, for net/ only. */
#ifndef MOONPORT_NET_TRANSPORT_PLAIN_H
#define MOONPORT_NET_TRANSPORT_PLAIN_H

#include "net/transport/transport.h"

#include <stdbool.h>

struct net_loop;

size_t plain_size(bool is_unix); /* bytes of the lowest layer, for conn_new() */
/* From here on only close() and `closed` end it. */
void plain_init(struct transport *self, struct transport *above, struct net_loop *loop,
                bool is_unix);
/* Either of these comes before open(). 0, or UV_E*: then an `fd` is still the caller's. */
int plain_adopt(struct transport *self, int fd); /* connected, and non-blocking */
int plain_connect(struct transport *self, const struct sockaddr *address);

#endif
