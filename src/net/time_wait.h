/* net/time_wait.h — whether the kernel keeps what is left of a connection in TIME_WAIT. For net/ only. */
#ifndef MOONPORT_NET_TIME_WAIT_H
#define MOONPORT_NET_TIME_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* 1, and for how long yet; 0: it does not; or a negative UV_E*: it cannot be asked here. */
int time_wait_ask(const struct sockaddr *local, const struct sockaddr *peer, uint64_t *left_ms);

#endif
