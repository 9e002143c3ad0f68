/* server/names.h — the hosts that scripts listen on, looked up beside the loop. Knows no script. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct address;
struct names; /* opaque */
struct net_loop;

/* As many hosts as are looked up before names_forget(): a script that names another one each time
 * it is loaded comes to an end. */
enum { NAMES_MAX = 256 };

/* on_settled(context) is called from the loop whenever no lookup is under way any more; NULL: nobody
 * asks. NULL when memory is out. */
struct names *names_new(struct net_loop *loop, void (*on_settled)(void *context), void *context);
/* Writes the addresses that the host stood for when it was first asked for, at most `max`, and
 * returns how many; in numbers or a path, it is its own. UV_EAGAIN: it is being looked up;
 * otherwise the UV_E* of that. */
int names_find(struct names *names, const struct address *address, struct sockaddr_storage *out,
               socklen_t *sizes, int max);
bool names_are_pending(const struct names *names);
/* Of all hosts; what is under way ends unheard. */
void names_forget(struct names *names);
void names_free(struct names *names);
