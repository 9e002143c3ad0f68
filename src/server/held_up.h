/* server/held_up.h — a loop that a script holds up: what is said of it, and how it ends. */
#pragma once

#include "vm/watchdog.h"

struct server;

/* Their context is a struct server. */
extern const struct vm_watchdog_events held_up_events;

/* A signal to end has come: the loop has as long as draining may take, and after a second one less than
 * a second, to end by itself. For a signal handler. */
void held_up_end_soon(void *context, unsigned signals_before);
/* The same as after the first one, for draining that begins otherwise. */
void held_up_bound_draining(const struct server *server);
/* The same for closing the scripts, when everything else has ended. */
void held_up_bound_closing(struct server *server);
