/* base/control_find.h — which servers of this user answer, of those that may be at a place. */
#pragma once

#include "base/control_address.h"

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
