/* base/handover.h — how a new process gets the listening sockets of the one that it takes the place of: a
 * channel between both, and what is said over it. Knows no server, and who starts nobody.
 *
 * The channel is a pair of SOCK_SEQPACKET sockets. A message is a word, mostly lines "field=value", and at
 * most one descriptor. The new one asks, and the old one answers:
 *
 *   next                  -> socket, with a descriptor, or place, with a descriptor, or end
 *   error TEXT               what the new one logs as an error while it starts
 *   ready                 -> go: it serves from then on; the old one accepts nothing any more
 *
 * The end of the channel before `go` is the end of the attempt. docs/operating.md, "How sockets are handed
 * over", has the fields: both processes may be of different versions, so whoever does not know a word or a
 * field passes over it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
  UPGRADE_MS = 10000,             /* to be ready in, unless somebody says how long */
  HANDOVER_BYTES_MAX = 16 * 1024, /* of a message: two paths, and little more */
  /* Where a new process has its end of the channel, and what is to be its standard error: until it has
   * found these, that is a pipe to the old one, who thus sees why a program cannot be run. */
  HANDOVER_CHANNEL = 3,
  HANDOVER_ERRORS = 4,
};

/* The environment of a new process says so: "PID:CHANNEL:ERRORS", and PID is the old one. */
#define HANDOVER_VARIABLE "MOONPORT_UPGRADE"

/* What a new process has from the old one. */
struct handover {
  int channel;
  int place;           /* base/stand_in.h; -1: nobody has to know who serves */
  long pid;            /* of the old one */
  bool ignores_hangup; /* the old one does, for nohup(1) has started the first */
};

/* Who is given a socket's message, and the socket. */
typedef void handover_visit(void *context, const char *message, int fd);

/* A socket that the old process had opened by itself for a script. */
struct left_socket {
  int fd;
  int type;
  struct sockaddr_storage address;
  socklen_t size;
  char *script;
  char *given;     /* what that wrote; NULL: it was not said */
  unsigned index;  /* which one, of those that it wrote the same */
  unsigned worker; /* whose it was; 0: nobody's */
  bool owns_file;  /* of a Unix path: it is to be unlinked at the end */
};
/* But for the descriptor. */
void left_socket_deinit(struct left_socket *left);

/* Whether this process is to take the place of its parent; then its standard error is the parent's from
 * here on. Takes the variable out of the environment in any case. */
bool handover_inherit(struct handover *out);
/* The value of the variable. */
void handover_describe(char *out, size_t size);
/* Two ends; 0, or an errno. */
int handover_pair(int ends[2]);

/* Sends `text`, and the descriptor unless it is -1; never waits. 0, or an errno. */
int handover_send(int channel, const char *text, int descriptor);
/* Waits for a message, unless there is one, if it may. Its size, and NUL behind it; 0: the other one is
 * gone; or a negative errno. *descriptor is the caller's, or -1. */
ssize_t handover_receive(int channel, bool may_wait, char out[HANDOVER_BYTES_MAX], int *descriptor);

/* Whether the message is `word`, with or without more. */
bool handover_is(const char *message, const char *word);
/* The value of a field, which is cut at `size`. False: it has none. */
bool handover_field(const char *message, const char *name, char *out, size_t size);
/* Adds a field, unless `value` is NULL or cannot stand in a line. */
void handover_add(char message[HANDOVER_BYTES_MAX], const char *name, const char *value);
