/* net/tls/trust.h — the authorities that the system trusts, read once in a loop's life, and beside it.
 * Knows no connection. */
#pragma once

#include "base/list.h"

struct net_loop;
struct trust; /* opaque; a loop's own, once somebody asks */
struct x509_store_st;

/* Somebody who waits for them; an initialised link while nobody does. */
struct trust_wait {
  struct list link;
  void (*on_done)(struct trust_wait *self); /* trust_of() and trust_fault() say what came of it */
};

/* They are the loop's. NULL while they are not there; of a simulated loop they are read at once. */
struct x509_store_st *trust_of(struct net_loop *loop);
/* Why not, when they were read in vain; NULL: they were not. Valid until trust_read(). */
const char *trust_fault(const struct net_loop *loop);
/* Reads them: on_done comes from the loop, once, unless `wait` is taken out of its list. 0 or UV_E*. */
int trust_read(struct net_loop *loop, struct trust_wait *wait);
void trust_free(struct trust *trust); /* NULL is fine; nothing is being read */
