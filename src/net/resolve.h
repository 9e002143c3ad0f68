/* net/resolve.h — from a host's name to addresses, without holding the loop up. Not Lua. */
#ifndef MOONPORT_NET_RESOLVE_H
#define MOONPORT_NET_RESOLVE_H

#include <sys/socket.h>

struct net_loop;
struct resolve; /* opaque; gone when on_done is called, or after net_resolve_cancel() */

enum { RESOLVE_ADDRESSES_MAX = 16 };

/* Asks the system's resolver, in a thread of libuv's pool. on_done comes from the loop, once: with
 * `count` addresses, each once, or with 0 and a negative UV_EAI_*.
 * Returns 0 and *out, or a negative UV_E*, and then on_done is not called. */
int net_resolve(struct net_loop *loop, const char *host, unsigned port,
                void (*on_done)(void *owner, const struct sockaddr_storage *addresses, int count,
                                int rc),
                void *owner, struct resolve **out);
/* How many are under way, cancelled ones too: a thread that asks a dead name server cannot be
 * stopped, and libuv waits for it when the process ends by exit(). */
unsigned net_resolving(const struct net_loop *loop);
/* on_done will not be called. */
void net_resolve_cancel(struct resolve *resolve);

#endif
