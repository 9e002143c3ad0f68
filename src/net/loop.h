/* net/loop.h — the event loop and what all its connections share. Knows libuv, not Lua. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob_account;
struct tap;
struct uv_loop_s;
struct net_loop; /* opaque; one per process today, one per worker later */

/* NULL when memory or descriptors are out. */
struct net_loop *net_loop_new(void);
/* Closes what is the loop's own and runs it until every handle is closed; then frees it. All
 * connections and listeners must be closing already. */
void net_loop_free(struct net_loop *loop);

/* Runs until net_loop_stop(), or until nothing is left that could happen. Connections are served in
 * these two only, not by uv_run(). */
void net_loop_run(struct net_loop *loop);
/* One turn, which waits for something to happen if it may. */
void net_loop_turn(struct net_loop *loop, bool may_wait);
void net_loop_stop(struct net_loop *loop); /* after this turn; or the next run does not begin */
/* Called in each turn before it waits; NULL: no more. */
void net_loop_before_wait(struct net_loop *loop, void (*before_wait)(void *context), void *context);

struct uv_loop_s *net_loop_uv(struct net_loop *loop);
uint64_t net_loop_now_ms(const struct net_loop *loop); /* monotonic, as of this turn of the loop */
uint64_t net_loop_now_ns(const struct net_loop *loop); /* the same clock, as of this moment */
void net_loop_update_now(struct net_loop *loop);       /* something took long in this turn */

/* A simulated loop has a clock that its owner moves, and a network in memory (net/network.h) in place
 * of sockets. It is never run: the next three do all that happens.
 *
 * `steps_max` bounds what happens at one time. False: then there was still more to do, as when a
 * script sends to itself for ever. */
struct net_loop *net_loop_new_simulated(uint64_t start_ms);
bool net_loop_is_simulated(const struct net_loop *loop);
/* Does all that can be done now. */
bool net_loop_settle(struct net_loop *loop, uint64_t steps_max);
/* Settles, and lets time pass: what is due at one time happens together, then all that follows from
 * it. Input is looked at before deadlines are. */
bool net_loop_advance(struct net_loop *loop, uint64_t ms, uint64_t steps_max);
/* When the first timer is due, on the clock of net_loop_now_ms(). */
#define NET_NEVER UINT64_MAX
uint64_t net_loop_next_ms(const struct net_loop *loop);

/* Of a simulated loop: the next connection has the number `id`. */
void net_loop_number_next(struct net_loop *loop, uint64_t id);

/* Where received bytes stand, if they stand at the begin of a room (base/room.h). Whoever received them
 * may keep it, and puts another one there. */
char **net_loop_room(struct net_loop *loop);
/* Where the events of all that hangs off the loop are told. */
struct tap *net_loop_tap(struct net_loop *loop);

/* Where the memory of all output queues that are counted is. */
struct blob_account *net_loop_output(struct net_loop *loop);
/* Beyond it the longest queue ends; 0: no bound. */
void net_loop_bound_output(struct net_loop *loop, size_t bytes_max);

/* Writes what the handler that just ended or began to wait has queued, on every connection it
 * queued on: one write each. Also carries out the closes it asked for. */
void net_loop_flush(struct net_loop *loop);
/* The same where nothing is borrowed. While several connections are told what they received, it waits
 * for the last of them, unless there is much, or one of them took long. */
void net_loop_flush_soon(struct net_loop *loop);

/* Keeps some descriptors back from now on, for listeners that `uses_spares`: they accept although
 * the process has none left. What closes makes up for what was lent before others get it. */
void net_loop_keep_spares(struct net_loop *loop);
/* False while some are lent, and none is to be had in their place. */
bool net_loop_refill_spares(struct net_loop *loop);
/* Lets go so many, or all, for what opens some and closes them soon; net_loop_refill_spares()
 * follows. */
void net_loop_lend_spares(struct net_loop *loop, unsigned count);
