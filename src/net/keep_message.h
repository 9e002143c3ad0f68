/* net/keep_message.h — what a worker asks its master, and what it answers. For net/keep.c and master/. */
#ifndef MOONPORT_NET_KEEP_MESSAGE_H
#define MOONPORT_NET_KEEP_MESSAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum keep_kind {
  KEEP_OPEN,    /* a socket */
  KEEP_PASS_ON, /* the socket `id` is another script's of the same worker now */
  KEEP_GIVE_UP, /* nobody listens at the socket `id` any more, in this worker */
  KEEP_HOME,    /* in which worker a script lives */
  KEEP_FORGET,  /* that script is gone */
};

struct keep_request {
  uint32_t serial; /* the answer has it too */
  enum keep_kind kind;
  uint32_t id;
  int type; /* SOCK_STREAM, SOCK_DGRAM */
  int backlog;
  int interface;   /* of a group of IPv4; 0: as the routes say */
  unsigned copies; /* of the script, in so many workers */
  unsigned index;  /* of several sockets of one script at port 0 of the same host */
  bool is_beside;  /* others of this server have the port, at other addresses, and share it */
  socklen_t address_bytes;
  struct sockaddr_storage address;
  char script[PATH_MAX]; /* its path; the message ends behind the NUL */
};

struct keep_answer {
  uint32_t serial;
  int rc; /* 0 or UV_E* */
  uint32_t id;
  unsigned number;       /* of a worker */
  bool is_group;         /* one of several sockets that share the address */
  char script[PATH_MAX]; /* whose the address is, when another one has it; or "" */
};

#endif
