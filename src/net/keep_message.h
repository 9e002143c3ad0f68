/* net/keep_message.h — what a worker asks its master, and what it answers. For net/keep.c and master/. */
#pragma once

#include "base/address.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum keep_kind {
  KEEP_OPEN,    /* a socket */
  KEEP_PASS_ON, /* the socket `id` is another script's of the same worker now */
  KEEP_ADOPT, /* the socket `index` of the address `id`, which is another worker's: it was told to */
  KEEP_GIVE_UP, /* nobody listens at the socket `id` any more, in this worker */
  KEEP_HOME,    /* in which worker a script lives */
  KEEP_FORGET,  /* that script is gone */
  /* What follows gets no answer. */
  KEEP_READY,     /* it serves, or has reloaded */
  KEEP_RELOADING, /* it begins to */
  KEEP_SERVE,    /* it accepts at the socket `id`: the version that it was opened for is in force */
  KEEP_SHUTDOWN, /* the whole server is to end */
  KEEP_UPGRADE,  /* another process is to take its place, ready within `id` ms; 0: whenever it is */
};

struct keep_request {
  uint32_t serial; /* the answer has it too */
  enum keep_kind kind;
  uint64_t
      ends_ms; /* worker_now_ms(): who asks waits for so long, and has no use for the answer then */
  uint32_t id;
  int type; /* SOCK_STREAM, SOCK_DGRAM */
  int backlog;
  int interface;   /* of a group of IPv4; 0: as the routes say */
  unsigned copies; /* of the script, in so many workers */
  unsigned
      index; /* of several sockets at port 0 that one script has written the same; or of one address */
  bool is_beside; /* others of this server have the port, at other addresses, and share it */
  socklen_t address_bytes;
  struct sockaddr_storage address;
  char given[ADDRESS_TEXT_MAX]; /* the address as the script wrote it */
  char script[PATH_MAX];        /* its path; the message ends behind the NUL */
};

struct keep_answer {
  uint32_t serial;
  int rc; /* 0 or UV_E* */
  uint32_t id;
  unsigned number;       /* of a worker */
  bool is_group;         /* one of several sockets that share the address */
  char script[PATH_MAX]; /* whose the address is, when another one has it; or "" */
};

/* What a worker is told without having asked. */
enum keep_order_kind {
  ORDER_ADOPT,   /* ask for one more socket of the address `id`, and serve it */
  ORDER_RETURN,  /* and stop that: whose it is serves it again */
  ORDER_UPGRADE, /* `id` is who took the server's place; or 0, and the page says why nobody did */
  ORDER_LEAVE,   /* for that one */
};

struct keep_order {
  enum keep_order_kind kind;
  uint32_t id;
  uint32_t place; /* which one of the address's sockets */
};
