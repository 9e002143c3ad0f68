/* master/steer.h — which of the sockets that share an address get what comes. Knows no worker. */
#ifndef MOONPORT_MASTER_STEER_H
#define MOONPORT_MASTER_STEER_H

#include <stdint.h>

/* Of `count` sockets, numbered in the order in which they began to listen, those whose bit is set get new
 * connections, by chance. Of datagrams each peer has one of all sockets by its address, and if that is
 * not among them, another one: so a peer stays where it is while others come and go. `fd` is any of them.
 * 0, or an errno: it is as it was before. */
int steer(int fd, int type, unsigned count, uint64_t among);

#endif
