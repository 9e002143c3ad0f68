/* net/work.h — what would hold the loop up is done in another thread. Knows libuv, not Lua. */
#pragma once

struct net_loop;

/* Calls run(context) in a thread of libuv's, and then done(context) in a turn of the loop, which goes on
 * until then. A simulated loop has no other threads: it runs it at once. 0 or UV_E*. */
int net_work(struct net_loop *loop, void (*run)(void *context), void (*done)(void *context),
             void *context);
