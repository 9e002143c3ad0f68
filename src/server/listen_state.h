/* server/listen_state.h — one listening socket's fields, for server/listen*.c only. */
#ifndef MOONPORT_SERVER_LISTEN_STATE_H
#define MOONPORT_SERVER_LISTEN_STATE_H

#include "server/listen.h"

struct listener_events;

/* A place for a socket; it is empty while nothing is open. */
struct listen_entry {
  struct listen_set *set;
  struct listener *listener;    /* NULL once closed, and of a datagram socket */
  struct udp_object *udp;       /* NULL once closed, and of any other */
  struct handed_socket *handed; /* NULL: a socket of our own */
  char *given;                  /* the address as the script wrote it */
  unsigned index;
  uint16_t port;
  bool wanted; /* by the version that is being put in force */
  bool fresh;  /* opened for it */
};

/* server/listen.c */
extern const struct listener_events listen_events; /* their owner is a struct listen_entry */
bool listen_entry_is_open(const struct listen_entry *entry);
void listen_entry_close(struct listen_entry *entry);
/* The place of a socket of that name that was closed: its connections, if any are left, call it by
 * that name too. Or a new place; NULL when memory is out. */
struct listen_entry *listen_set_place(struct listen_set *set, const char *name);

#endif
