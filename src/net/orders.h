/* net/orders.h — what the master tells a worker that has not asked. Knows libuv, not what is done about
 * it. */
#pragma once

struct keep_order;
struct net_loop;
struct orders; /* opaque */
struct worker;

/* NULL when memory is out. */
struct orders *orders_open(struct net_loop *loop, const struct worker *worker,
                           void (*on_order)(void *context, const struct keep_order *order),
                           void *context);
/* Its memory goes when the loop has closed its handle. NULL is nothing. */
void orders_close(struct orders *orders);
