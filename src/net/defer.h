/* net/defer.h — something to do in the next turn of the loop. Knows libuv, not Lua. */
#pragma once

#include <stdbool.h>

struct net_loop;
struct net_defer; /* opaque; frees itself after net_defer_close() */

/* NULL when memory is out. */
struct net_defer *net_defer_new(struct net_loop *loop, void (*on_turn)(void *owner), void *owner);
/* on_turn(owner) in the next turn, once, however often it is asked for. */
void net_defer_ask(struct net_defer *defer);
void net_defer_close(struct net_defer *defer);

/* For net/clock.c, of a simulated loop: does what was asked for first. False: nothing was. */
bool net_defer_run_first(struct net_loop *loop);
