/* net/udp_asked.h — which of our addresses each peer of a datagram socket spoke to. For net/ only. */
#pragma once

#include <netinet/in.h>

struct udp_asked; /* opaque */

struct udp_asked *udp_asked_new(void); /* NULL when memory is out */
void udp_asked_free(struct udp_asked *asked);
/* `peer` is of IPv4 or IPv6; `own` is of either, IPv4 as "::ffff:127.0.0.1". */
void udp_asked_note(struct udp_asked *asked, const struct sockaddr *peer,
                    const struct in6_addr *own);
/* NULL: it was not heard lately. */
const struct in6_addr *udp_asked_find(struct udp_asked *asked, const struct sockaddr *peer);
