/* server/reload/dir_events.h — the kernel's events of the directories that matter. Knows libuv, and no
 * contents.
 *
 * They are hints: libuv drops the kernel's note that its queue overflowed, a file system over a
 * network sends none, and a directory can be exchanged in between. Whoever relies on them also has
 * to look by itself now and then. */
#ifndef MOONPORT_SERVER_RELOAD_DIR_EVENTS_H
#define MOONPORT_SERVER_RELOAD_DIR_EVENTS_H

#include "server/reload/places.h"

#include <stddef.h>

struct net_loop;
struct dir_events; /* opaque */

/* on_event(context) is called after every change at one of the places. NULL: out of memory. */
struct dir_events *dir_events_new(struct net_loop *loop, void (*on_event)(void *context),
                                  void *context);
/* From now on these places, which it takes over. Returns how many directories are watched only
 * since now: what happened there until now was not told. *failure is the UV_E* of a directory that
 * is there and readable and could not be watched, or 0. Not to be called from on_event(). */
size_t dir_events_set(struct dir_events *events, struct places *places, int *failure);
void dir_events_free(struct dir_events *events);

#endif
