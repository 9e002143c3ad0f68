/* net/timer.h — a timer of the loop, precise to the millisecond. Knows libuv, not Lua. */
#pragma once

#include <stdint.h>

struct net_loop;
struct net_timer; /* opaque; frees itself after net_timer_close() */

/* Calls on_fire(owner) after `delay_ms`, and then every `repeat_ms` (0: once). NULL when memory
 * is out. */
struct net_timer *net_timer_open(struct net_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                                 void (*on_fire)(void *owner), void *owner);
/* No call follows. Once for each timer, also for one that has fired. */
void net_timer_close(struct net_timer *timer);
