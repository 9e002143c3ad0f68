/* net/udp_outbox.h — the answers to one batch of datagrams, to leave together. For net/ only. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct udp_outbox; /* opaque; of a loop, which answers on one socket at a time */

struct udp_outbox *udp_outbox_new(void); /* NULL when memory is out */
void udp_outbox_free(struct udp_outbox *outbox);
/* A copy, to be sent as udp_socket_send() does. False: it has no room for that one. */
bool udp_outbox_add(struct udp_outbox *outbox, const char *bytes, size_t size,
                    const struct sockaddr *peer, const struct in6_addr *own);
/* Sends all, in order, and is empty. 0, or the UV_E* of the last one that was not sent. */
int udp_outbox_send(struct udp_outbox *outbox, int fd);
