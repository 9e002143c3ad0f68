/* base/control_peer.h — who answers at a control socket, and why nobody does. Opens no socket. */
#pragma once

#include <stdbool.h>

enum { CONTROL_MESSAGE_BYTES = 512 };

/* Writes what it means that a connect to `path` failed with `error`, an errno, and what to do. */
void control_explain(int error, const char *path, char out[CONTROL_MESSAGE_BYTES]);

/* Whether the process at the other end of a connection to `path` is to be believed, and which it is:
 * in /tmp anybody can put a socket at a name that is free. Root, who can be fooled by anybody,
 * believes another user's server only where it was `named`. False with a sentence in `out`. */
bool control_is_trusted(int fd, const char *path, bool named, long *pid,
                        char out[CONTROL_MESSAGE_BYTES]);
