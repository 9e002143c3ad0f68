/* base/passing.h — messages of a SOCK_SEQPACKET socket, each with at most one descriptor. Knows not what
 * is said. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct iovec;

/* Sends the parts as one message. `fd` is -1, or a descriptor that stays the caller's. `flags` are those of
 * send(2). What sendmsg(2) gives, with errno. */
ssize_t passing_send(int to, const struct iovec *parts, size_t count, int fd, int flags);
/* Receives one, cut where the parts end. *fd is -1, or a descriptor that came with it and is the caller's
 * to close, and to be closed by exec. What recvmsg(2) gives, with errno. */
ssize_t passing_receive(int from, const struct iovec *parts, size_t count, int *fd, int flags);
