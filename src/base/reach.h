/* base/reach.h — who can reach a listening socket, after its address. Asks no network. */
#pragma once

#include <sys/socket.h>

enum reach {
  REACH_FILE,     /* a Unix socket: who may write to its file */
  REACH_LOOPBACK, /* this machine, or this container */
  REACH_ONE,      /* who reaches that address */
  REACH_ANY,      /* who reaches any address of this machine */
};

enum reach reach_of(const struct sockaddr *address);

/* What contains this process: "docker", "podman", "kubernetes" or whatever $container says; NULL:
 * nothing that shows. When $container is there it alone decides, and empty it means nothing. */
const char *reach_container(void);
