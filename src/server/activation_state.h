/* server/activation_state.h — the sockets that were open before the server started, for server/activation*.c
 * only. */
#pragma once

#include "base/list.h"
#include "server/activation.h"

#include <stdbool.h>
#include <stddef.h>

enum { SOCKET_NAME_BYTES = 256 }; /* FDNAME_MAX of systemd, and NUL */

struct handed_socket {
  int fd;   /* -1: somebody has taken it over, or it was closed */
  int type; /* SOCK_STREAM or SOCK_DGRAM */
  /* FileDescriptorName=, the unit's name by default; "": it was not told. */
  char name[SOCKET_NAME_BYTES];
  struct sockaddr_storage address;
  socklen_t size;
  unsigned users;
  struct list link; /* in activation->sockets */
  /* Of the process before this one, which opened it by itself; the rest is of such only. */
  bool is_own;
  bool is_control;
  bool owns_file;  /* of a Unix path: it is to be unlinked at the end */
  char *script;    /* the path of the script that listened there */
  char *given;     /* what that one wrote in `listen` */
  unsigned index;  /* of a master's: which one, of those of one script that are written the same */
  unsigned worker; /* whose it was */
  char *groups;    /* that it has joined; NULL: none */
};

struct activation {
  struct list sockets; /* in the order of the unit's lines */
};

/* server/activation.c. NULL when memory is out. */
struct activation *activation_create(void);
/* Appends it; `fd` is closed at exec from here on. NULL, or why the descriptor is of no use, and then it
 * stays the caller's. */
const char *activation_add(struct activation *activation, int fd, struct handed_socket **out);
