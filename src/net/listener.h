/* net/listener.h — a listening socket: bind, listen, accept. Knows libuv, not Lua. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct incoming;
struct platform_backlog;
struct net_loop;
struct listener; /* opaque; frees itself after listener_close() */

struct listener_events {
  /* Whether to accept now; false pauses the listener, and the connection stays in the backlog.
   * NULL: always. */
  bool (*is_wanted)(void *owner);
  /* A connection: the receiver calls net_accept() or net_refuse(). */
  void (*on_accept)(void *owner, struct incoming *incoming, const struct sockaddr *peer);
  /* Accepting stopped (`rc` is UV_EMFILE, UV_ENFILE, UV_ENOBUFS or UV_ENOMEM), or goes on (0). */
  void (*on_starved)(void *owner, int rc);
  /* While somebody watches, how many wait to be accepted now, and how many may. NULL: that is no news. */
  void (*on_backlog)(void *owner, const struct platform_backlog *backlog);
  bool
      uses_spares; /* accepts with the descriptors that the loop keeps back, when there are no others */
};

/* A socket bound to `address`; it does not listen yet. A Unix socket that nobody listens on any more
 * is replaced.
 * On failure: a negative UV_E*, and *out is NULL. UV_EADDRINUSE for a Unix path also when a live
 * process listens there; UV_EEXIST when the path is something else than a socket. */
int listener_bind(struct net_loop *loop, const struct sockaddr *address, socklen_t address_size,
                  const struct listener_events *events, void *owner, struct listener **out);
struct listener_options {
  const struct sockaddr *address;
  socklen_t address_size;
  /* Others have the port, at other addresses, and share it: 127.0.0.1 becomes 0.0.0.0, say, and no
   * connect fails meanwhile. */
  bool beside;
};
int listener_bind_as(struct net_loop *loop, const struct listener_options *options,
                     const struct listener_events *events, void *owner, struct listener **out);
/* The socket of `old`, which is about to be closed: what waits in its backlog is not lost. Listens
 * already. On a simulated loop UV_ENOTSUP. */
int listener_take_over(const struct listener *old, const struct listener_events *events,
                       void *owner, struct listener **out);
/* The same for a socket that somebody else has bound; `fd` is the listener's from here on, also on
 * failure. Its Unix path is left alone. */
int listener_adopt(struct net_loop *loop, int fd, const struct listener_events *events, void *owner,
                   struct listener **out);
/* The same for one that bind_open() has made, with its Unix path. */
struct bound_socket;
int listener_adopt_bound(struct net_loop *loop, const struct bound_socket *bound,
                         const struct listener_events *events, void *owner, struct listener **out);
/* Accepts from the next turn of the loop on, unless paused. 0 or UV_E*. Who connects is told that the
 * last process that called listen(2) is the server: with LISTENER_LISTENS it is left as it is. */
enum { LISTENER_LISTENS = -1 };
int listener_listen(struct listener *listener, int backlog);
/* Whether one may be opened beside it. It, and who shares its port, are to stop sharing once all of them
 * listen: nobody else can come in between then. */
void listener_share_port(const struct listener *listener, bool on);
/* Whether it is the socket that answers at a Unix path, however that is spelt. */
bool listener_is_at(const struct listener *listener, const char *path);
/* Whether the file of a Unix socket is this process's, to be unlinked at the end. */
bool listener_owns_file(const struct listener *listener);
void listener_own_file(struct listener *listener, bool on);
/* The address as bound: the port is the real one. */
int listener_address(const struct listener *listener, struct sockaddr_storage *out,
                     socklen_t *size);
int listener_descriptor(const struct listener *listener); /* or UV_ENOTSUP */
/* Stops accepting, so that connections wait in the kernel's backlog, or goes on. */
void listener_pause(struct listener *listener, bool on);
/* Accepts what waits in the kernel's backlog, which listener_close() would reset. */
void listener_accept_waiting(struct listener *listener);
/* Unlinks a Unix socket that is still its own. */
void listener_close(struct listener *listener);

/* Tells what has changed where nobody is accepted now, and goes on to look as long as somebody watches. For
 * the loop. */
void listener_look_at_shut(struct net_loop *loop);
/* The same, with all who wait there: somebody begins to watch. */
void listener_tell_shut(struct net_loop *loop);
/* Resumes the listeners that stopped for want of descriptors. For the loop. */
void listener_retry_starved(struct net_loop *loop);
