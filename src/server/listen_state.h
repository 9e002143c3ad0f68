/* server/listen_state.h — one listening socket's fields, for server/listen*.c only. */
#pragma once

#include "base/address.h"
#include "base/list.h"
#include "server/listen.h"

#include <limits.h>
#include <stdio.h>

/* A place for a socket; it is empty while nothing is open. */
struct listen_entry {
  struct listen_set *set;
  struct listener *listener;    /* NULL once closed, and of a datagram socket */
  struct udp_object *udp;       /* NULL once closed, and of any other */
  struct handed_socket *handed; /* of the supervisor's; or NULL */
  struct kept_socket *kept;     /* of the master's; or NULL: a socket of our own */
  struct list adopted;          /* sockets of the address that other workers are away from */
  char *given;                  /* the address as the script wrote it */
  /* Of the version that is being put in force, until that is; or NULL. */
  const struct socket_wishes *wishes;
  char *groups; /* that it has joined beside; NULL: none */
  unsigned index;
  uint16_t port;
  enum address_kind kind;
  bool wanted;  /* by the version in force, or the one that is being put in force */
  bool counted; /* the same, as far as its addresses were looked at */
  bool fresh;   /* opened for it */
  bool untold;  /* the version that it was opened for is in force, and nobody was told of it yet */
};

/* An address to listen on, on the way to its socket. */
struct target {
  const char *given;
  const struct socket_wishes *wishes; /* NULL: none */
  const char *option;                 /* the one that could not be set; NULL: none was tried */
  struct address as_given;
  struct sockaddr_storage address;
  socklen_t size;
  char holder[PATH_MAX]; /* the script of another worker that has the address; "": none is known */
};

/* server/listen.c */
extern const struct listener_events listen_events; /* their owner is a struct listen_entry */
/* Whether one socket would have both names: "tcp://[::1]:7" and "tls://[::1]:7". */
bool listen_names_one(const char *a, const char *b);
/* Makes `wishes` true of what is open there. 0; or UV_E*, and *fault is the option. */
int listen_entry_fulfil(struct listen_entry *entry, const struct socket_wishes *wishes,
                        const char **fault);
/* What the script wants, or the operator. */
int listen_entry_backlog(const struct listen_entry *entry);
bool listen_entry_is_open(const struct listen_entry *entry);
/* Whether nobody is accepted now, for one limit or another. */
bool listen_set_is_paused(const struct listen_set *set);
void listen_entry_close(struct listen_entry *entry);
/* The place of a socket of that name that was closed: its connections, if any are left, call it by
 * that name too. Or a new place; NULL when memory is out. */
struct listen_entry *listen_set_place(struct listen_set *set, const char *name);

/* server/listen_adopt.c */
void listen_entry_pause_adopted(const struct listen_entry *entry, bool on);
/* Datagrams come in from now on: the version is in force. */
void listen_entry_release_adopted(const struct listen_entry *entry);
/* As listener_accept_waiting(). */
void listen_entry_accept_adopted(const struct listen_entry *entry);
void listen_entry_close_adopted(struct listen_entry *entry);

/* server/listen_change.c */
/* Opens the target, whose name is given, in `entry`, although the port, or the path, is taken: by a socket that one of
 * the changes gives up, or that listens for the same service. 0 or UV_E*. */
int listen_open_in_place(const struct listen_change *changes, size_t count,
                         struct listen_entry *entry, struct target *target, const char *name);

/* server/listen_fault.c */
/* What is wrong with `text`, an address as the script wrote it: with file and line. */
void listen_fault(struct listen_set *set, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Why the target, whose name is given, cannot be opened. Returns `rc`. */
int listen_fail(struct listen_set *set, const char *name, int rc, const struct target *target);

/* server/listen_line.c. The line of a script that says `address` in `listen`, or where it says that; 0:
 * it does not show. */
unsigned listen_find_line(FILE *file, const char *address);

/* server/listen_open.c */
/* A descriptor of the socket that the master keeps for the target, which becomes `entry->kept`; 0: there is
 * no master; or UV_E*. */
int listen_kept_descriptor(struct listen_entry *entry, struct target *target, bool is_beside);
enum { SOCKETS_PER_ADDRESS_MAX = 16 }; /* of a name with many addresses, the first ones */
/* Marks what is open and wanted by the change. */
void listen_mark_wanted(const struct listen_change *change);
/* Opens what is wanted and not open. 0, or -1 after each fault was logged. */
int listen_open_wanted(const struct listen_change *changes, size_t count,
                       const struct listen_change *change);
