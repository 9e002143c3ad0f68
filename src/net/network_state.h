/* net/network_state.h — the network's fields, and its addresses; for network.c, mailbox.c, place.c. */
#pragma once

#include "base/list.h"
#include "net/network.h"

#include <stdbool.h>
#include <stdint.h>

/* An address; what lies behind it is 0, so that two can be compared. */
union place {
  struct sockaddr any;
  struct sockaddr_storage storage;
};

struct network {
  struct net_loop *loop;
  struct memory_settings settings;
  uint16_t free_port; /* the next one */
  int accept_error;   /* an errno; 0: none */
  struct list ports;
  struct list mailboxes;
  struct list silent; /* struct known_name without a name */
  struct list names;  /* struct known_name */
};

void place_keep(union place *place, const struct sockaddr *address);
bool place_is_any(const struct sockaddr *address); /* 0.0.0.0 or :: */
/* Whether what is sent to `to` comes to who has `own`. */
bool place_hears(const struct sockaddr *own, const struct sockaddr *to);
/* Whether two cannot have them; `beside`: they may have the same port, but not the same address. */
bool place_collides(const struct sockaddr *a, const struct sockaddr *b, bool beside);
/* A port of 0 becomes one that is free. */
void network_keep_own(struct network *network, union place *own, const struct sockaddr *address);
/* Who speaks to `to` without an address of its own. */
void network_make_caller(struct network *network, const struct sockaddr *to, union place *from);
