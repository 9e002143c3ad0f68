/* net/resolve.h — from a host's name to addresses, without holding the loop up. Not Lua. */
#pragma once

#include <sys/socket.h>

struct net_loop;
struct resolve;  /* opaque; gone when on_done is called, or after net_resolve_cancel() */
struct resolver; /* opaque; a loop's own, from its first lookup to its end */

enum { RESOLVE_ADDRESSES_MAX = 16 };

/* Looks in /etc/hosts and asks the name servers of /etc/resolv.conf; an address in numbers is its
 * own answer. No lookup waits for another. on_done comes from the loop, in a later turn, once: with
 * `count` addresses, each once, or with 0 and a negative UV_EAI_*.
 * Returns 0 and *out, or a negative UV_E*, and then on_done is not called. */
int net_resolve(struct net_loop *loop, const char *host, unsigned port,
                void (*on_done)(void *owner, const struct sockaddr_storage *addresses, int count,
                                int rc),
                void *owner, struct resolve **out);
/* on_done will not be called. */
void net_resolve_cancel(struct resolve *resolve);

/* net_loop_free() calls it. What is still under way is cancelled. */
void resolver_close(struct resolver *resolver);
