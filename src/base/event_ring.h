/* base/event_ring.h — the events that one listener has not yet taken, bounded — does not know who.
 *
 * Whole events go in, with copies of their texts and of so many of their bytes, and come out in
 * order. One that finds no room is dropped and counted; the count comes out where it is missing. */
#ifndef MOONPORT_BASE_EVENT_RING_H
#define MOONPORT_BASE_EVENT_RING_H

#include "base/event.h"

#include <stdbool.h>

struct event_ring; /* opaque */

/* Room for `size` bytes of events, at least EVENT_RING_BYTES_MIN, so that the largest one fits.
 * NULL when memory is out. */
struct event_ring *event_ring_new(size_t size);
void event_ring_free(struct event_ring *ring);

enum { EVENT_RING_BYTES_MIN = 4 * EVENT_BYTES_MAX };

/* Keeps at most `bytes_max` of the event's bytes. A text longer than EVENT_TEXT_BYTES_MAX is cut. */
void event_ring_put(struct event_ring *ring, const struct event *event, size_t bytes_max);
enum { EVENT_TEXT_BYTES_MAX = 4096 };

/* The oldest event, or NULL; an EVENT_DROPPED where some are missing. It and what it points to is
 * the ring's, until event_ring_take(). */
const struct event *event_ring_first(struct event_ring *ring);
/* Forgets the one that event_ring_first() returned. */
void event_ring_take(struct event_ring *ring);
bool event_ring_empty(const struct event_ring *ring);
uint64_t event_ring_dropped(const struct event_ring *ring); /* in all */

#endif
