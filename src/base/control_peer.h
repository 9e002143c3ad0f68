/* base/control_peer.h — who answers at a control socket, and why nobody does; which servers of this user
 * answer, of those that may be at a place. Asks them nothing. */
#pragma once

#include "base/control_address.h"

#include <stdbool.h>

enum { CONTROL_MESSAGE_BYTES = 512 };

/* Writes what it means that a connect to `path` failed with `error`, an errno, and what to do. */
void control_explain(int error, const char *path, char out[CONTROL_MESSAGE_BYTES]);

/* Whether the process at the other end of a connection to `path` is to be believed, and which it is:
 * in /tmp anybody can put a socket at a name that is free. Root, who can be fooled by anybody,
 * believes another user's server only where it was `named`. False with a sentence in `out`. */
bool control_is_trusted(int fd, const char *path, bool named, long *pid,
                        char out[CONTROL_MESSAGE_BYTES]);

struct control_found {
  struct control_address address;
  long pid; /* 0: in another container; -1: it is too busy to be asked */
};

/* Those that answer, `first` being the place where one alone would be. Of servers in this container and in
 * others, which share its network, only the former. Root believes other users' where that was `named`. */
int control_find(const struct control_address *first, bool named,
                 struct control_found out[CONTROL_PLACES]);

/* The one that there is to be asked; `first`, when there is none. False, with a sentence in `out`, when there
 * are several. */
bool control_choose(struct control_address *first, bool named, char *out, size_t size);
