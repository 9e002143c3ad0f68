/* net/wheel.h — one timer for the coarse deadlines of many — does not know what they are for. */
#pragma once

#include "base/list.h"

#include <stdint.h>

struct net_loop;
struct wheel; /* opaque; one per loop */

/* Part of what has a deadline. Costs nothing while the deadline only moves away: the owner is asked
 * again when the old one passes, and answers with the new one. */
struct wheel_entry {
  struct list link; /* alone while not on the wheel */
  uint32_t tick;    /* low bits of when its slot comes up */
  uint32_t mark;    /* its owner's, who has the room here */
};

/* The deadlines are kept to 50 ms, never early, and never before what had come in time is read: a
 * loop that was held up first hears those who spoke meanwhile. */
enum { WHEEL_TICK_MS = 50 };

/* Asked when an entry may be due. Returns the next time to ask (ms on the loop's clock), or 0 for
 * never; may close the entry's owner, but not free it. */
typedef uint64_t (*wheel_due)(struct wheel_entry *entry, uint64_t now_ms);

/* NULL when memory is out. */
struct wheel *wheel_new(struct net_loop *loop, wheel_due due);
/* Asynchronous, as every libuv handle: frees itself in the close callback. */
void wheel_close(struct wheel *wheel);

void wheel_entry_init(struct wheel_entry *entry);
/* Sees to it that `entry` is asked at `deadline_ms` or earlier. */
void wheel_schedule(struct wheel *wheel, struct wheel_entry *entry, uint64_t deadline_ms);
void wheel_cancel(struct wheel_entry *entry);
