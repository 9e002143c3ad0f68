/* net/socket_wishes.h — what a socket that is listened on is to be, beside its address. Opens none. */
#pragma once

#include <stddef.h>

struct net_option;

enum { SOCKET_WISHES_MAX = 8 }; /* options of the kernel's */

struct socket_wishes {
  int backlog; /* 0: as of all others */
  int mode;    /* of the file of a Unix socket; -1: as the umask says */
  struct socket_wish {
    const struct net_option *option;
    int value;
  } options[SOCKET_WISHES_MAX];
  size_t option_count;
  char *groups; /* "239.1.2.3 ff02::99%eth0", to be joined; NULL: none. Owned */
};

void socket_wishes_deinit(struct socket_wishes *wishes);
/* Makes them true, but for the backlog, of a socket that may have been in the groups `before` (or NULL): it
 * leaves those that are not wished any more. 0; or UV_E*, and *fault is the option. */
int socket_wishes_fulfil(const struct socket_wishes *wishes, int fd, const char *before,
                         const char **fault);
/* What the kernel gave less of: a buffer's size, of which it has a bound. NULL: it gave everything. */
const struct socket_wish *socket_wishes_lacking(const struct socket_wishes *wishes, int fd,
                                                int *given);
