/* net/listener.c — a listening socket: bind, listen, accept. Knows libuv, not Lua.
 *
 * The socket is our own, watched by a uv_poll_t or in a set of our own, because libuv's listen has no way to stop
 * accepting, and when descriptors run out it accepts and drops what waits in the backlog. Here such
 * connections stay in the backlog until a descriptor is free: accepting stops, and is tried again
 * when a connection closes, and twice a second.
 *
 * On a simulated loop it is a port of the network in memory. */
#include "net/listener.h"

#include "base/address.h"
#include "base/list.h"
#include "base/platform.h"
#include "net/bind.h"
#include "net/defer.h"
#include "net/incoming.h"
#include "net/loop_state.h"
#include "net/network.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  ACCEPTS_PER_TURN = 64, /* a flood of connects must not keep those that are open from being read */
  FAILURES_MAX = 100,    /* then it is not the connections' fault */
  STARVED_RETRY_MS = 500,
  BACKLOG_MAX = 65536, /* more cannot wait */
  BACKLOG_LOOK_MS = 50,
};

struct listener {
  uv_poll_t poll;          /* of a socket of the kernel */
  struct ready ready;      /* in its place, of a loop with a set of our own */
  struct port *port;       /* of the network in memory; or NULL */
  struct net_defer *defer; /* of a port: somebody may be accepted */
  bool is_polled;
  bool is_closed;
  struct net_loop *loop;
  const struct listener_events *events;
  void *owner;
  struct bound_socket bound;
  int failures; /* of accept(2) in a row, other than for want of something */
  bool listening;
  bool paused;
  struct list starved_link; /* in loop->starved while there are no descriptors */
  struct list shut_link;    /* in loop->shut while it listens and nobody is accepted */
  uint32_t waiting;         /* as on_backlog() was told last */
};

static void on_connection(uv_poll_t *poll, int status, int events);

/* --- Who waits -------------------------------------------------------------------------------- */

/* What is accepted at once did not wait. On a Unix socket nobody knows. */
static void look_at_backlog(struct listener *listener, bool is_accepting) {
  struct platform_backlog backlog;
  if (!listener->events->on_backlog || listener->port) return;
  if (platform_backlog_read(listener->bound.fd, &backlog) < 0) return;
  if (backlog.waiting == listener->waiting) return;
  if (is_accepting && listener->waiting == 0 && backlog.waiting == 1) return;
  listener->waiting = backlog.waiting;
  listener->events->on_backlog(listener->owner, &backlog);
}

void listener_look_at_shut(struct net_loop *loop) {
  const bool is_wanted = tap_wants(&loop->tap, EVENT_BACKLOG) && !list_empty(&loop->shut);
  if (!is_wanted) clock_timer_stop(&loop->shut_timer);
  if (!is_wanted) return;
  if (!clock_timer_runs(&loop->shut_timer)) {
    clock_timer_start(&loop->shut_timer, BACKLOG_LOOK_MS, BACKLOG_LOOK_MS);
  }
  for (struct list *link = loop->shut.next; link != &loop->shut; link = link->next) {
    look_at_backlog(LIST_ELEMENT(link, struct listener, shut_link), false);
  }
}

void listener_tell_shut(struct net_loop *loop) {
  for (struct list *link = loop->shut.next; link != &loop->shut; link = link->next) {
    LIST_ELEMENT(link, struct listener, shut_link)->waiting = 0;
  }
  listener_look_at_shut(loop);
}

static void update_shut(struct listener *listener) {
  struct net_loop *loop = listener->loop;
  list_remove(&listener->shut_link);
  if (listener->is_polled || !listener->listening) return;
  list_append(&loop->shut, &listener->shut_link);
  if (tap_wants(&loop->tap, EVENT_BACKLOG)) listener_look_at_shut(loop);
}

/* --- Accepting -------------------------------------------------------------------------------- */

static void update_ready(struct listener *listener) {
  uint32_t events = listener->is_polled ? READY_INPUT : READY_NOTHING;
  (void)ready_watch_again(listener->loop, &listener->ready, listener->bound.fd, events);
  ready_keep(listener->loop, listener->is_polled ? 1 : -1);
}

static void update_polling(struct listener *listener) {
  bool wanted = listener->listening && !listener->paused && list_empty(&listener->starved_link);
  bool was_polled = listener->is_polled;
  listener->is_polled = wanted;
  update_shut(listener);
  if (listener->port) {
    if (wanted && port_is_called(listener->port)) net_defer_ask(listener->defer);
    return;
  }
  if (wanted == was_polled) return;
  if (listener->loop->ready) {
    update_ready(listener);
    return;
  }
  int rc = wanted ? uv_poll_start(&listener->poll, UV_READABLE, on_connection)
                  : uv_poll_stop(&listener->poll);
  assert(rc == 0); /* both fail only on a closed handle */
  (void)rc;
}

void listener_pause(struct listener *listener, bool on) {
  listener->paused = on;
  if (!listener->is_closed) update_polling(listener);
}

void listener_retry_starved(struct net_loop *loop) {
  struct list starved;
  (void)net_loop_refill_spares(loop);
  list_take(&starved, &loop->starved);
  while (!list_empty(&starved)) {
    struct listener *listener = LIST_ELEMENT(starved.next, struct listener, starved_link);
    list_remove(&listener->starved_link);
    update_polling(listener);
    listener->events->on_starved(listener->owner, 0);
  }
  clock_timer_stop(&loop->starved_timer);
}

void net_loop_descriptor_freed(struct net_loop *loop) {
  if (loop->spare_count < loop->spares_wanted) (void)net_loop_refill_spares(loop);
  if (!list_empty(&loop->starved)) listener_retry_starved(loop);
}

static void starve(struct listener *listener, int rc) {
  struct net_loop *loop = listener->loop;
  listener->failures = 0;
  if (!list_empty(&listener->starved_link))
    return; /* listener_accept_waiting() tried all the same */
  list_append(&loop->starved, &listener->starved_link);
  update_polling(listener);
  clock_timer_start(&loop->starved_timer, STARVED_RETRY_MS, 0);
  listener->events->on_starved(listener->owner, rc);
}

static bool lacks_descriptor(int error) {
  return error == EMFILE || error == ENFILE;
}

static int accept_descriptor(struct listener *listener, struct sockaddr *peer, socklen_t size) {
  struct net_loop *loop = listener->loop;
  socklen_t taken = size;
  int fd = platform_accept(listener->bound.fd, peer, &taken);
  if (fd >= 0 || !listener->events->uses_spares || !lacks_descriptor(errno)) return fd;
  if (!net_loop_lend_spare(loop)) return fd; /* errno is still that of accept(2) */
  taken = size;
  fd = platform_accept(listener->bound.fd, peer, &taken);
  int error = errno;
  if (fd < 0) (void)net_loop_refill_spares(loop); /* the kernel asks for one before it looks */
  errno = error;
  return fd;
}

/* 0, or an errno of accept(2). */
static int take(struct listener *listener, struct incoming *out, struct sockaddr_storage *peer) {
  *out = (struct incoming){.fd = -1};
  if (listener->port) return port_accept(listener->port, &out->pipe, peer);
  out->fd = accept_descriptor(listener, (struct sockaddr *)peer, sizeof *peer);
  return out->fd < 0 ? errno : 0;
}

/* Accepts one; false when there is nothing more to accept now. */
static bool accept_one(struct listener *listener) {
  struct sockaddr_storage peer;
  struct incoming incoming;
  int error = take(listener, &incoming, &peer);
  if (error == 0) {
    listener->failures = 0;
    listener->events->on_accept(listener->owner, &incoming, (struct sockaddr *)&peer);
    return true;
  }
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: starve(listener, uv_translate_sys_error(error)); return false;
    case EAGAIN: return false;
    default: /* ECONNABORTED, EINTR and the network errors of accept(2): that one is gone */
      if (++listener->failures < FAILURES_MAX) return true;
      starve(listener, uv_translate_sys_error(error));
      return false;
  }
}

static bool is_wanted(struct listener *listener) {
  const struct listener_events *events = listener->events;
  if (events->is_wanted && !events->is_wanted(listener->owner)) listener_pause(listener, true);
  return listener->is_polled;
}

static void accept_some(struct listener *listener) {
  const bool is_told = tap_wants(&listener->loop->tap, EVENT_BACKLOG);
  if (is_told) look_at_backlog(listener, true);
  for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
    /* on_accept() may pause or close the listener. */
    if (!listener->is_polled || !is_wanted(listener) || !accept_one(listener)) break;
  }
  if (is_told && !listener->is_closed) look_at_backlog(listener, true);
}

static void on_connection(uv_poll_t *poll, int status, int events) {
  (void)status; /* an error on a listening socket shows again in accept(2) */
  (void)events;
  accept_some(LIST_ELEMENT(poll, struct listener, poll));
}

static void listener_on_ready(struct ready *ready) {
  struct listener *listener = LIST_ELEMENT(ready, struct listener, ready);
  if (!listener->is_closed) {
    accept_some(listener);
    return;
  }
  ready_keep(listener->loop, -1);
  free(listener);
}

/* --- In memory --------------------------------------------------------------------------------- */

static void listener_on_turn(void *owner) {
  struct listener *listener = owner;
  if (!listener->is_closed) accept_some(listener);
  if (!listener->is_closed) {
    update_polling(listener); /* there may be more */
    return;
  }
  net_defer_close(listener->defer);
  free(listener);
}

static void listener_on_call(void *owner) {
  update_polling(owner);
}

static int open_port(struct net_loop *loop, const struct sockaddr *address, bool beside,
                     struct listener *listener) {
  listener->defer = net_defer_new(loop, listener_on_turn, listener);
  if (!listener->defer) return UV_ENOMEM;
  int rc = port_open(loop->network, address, beside, listener_on_call, listener, &listener->port);
  if (rc < 0) net_defer_close(listener->defer);
  return rc;
}

/* --- Opening ----------------------------------------------------------------------------------- */

static struct listener *listener_new(struct net_loop *loop, const struct listener_events *events,
                                     void *owner) {
  struct listener *listener = calloc(1, sizeof *listener);
  if (!listener) return NULL;
  listener->loop = loop;
  listener->events = events;
  listener->owner = owner;
  list_init(&listener->starved_link);
  list_init(&listener->shut_link);
  return listener;
}

static int watch(struct listener *listener, int fd) {
  struct net_loop *loop = listener->loop;
  if (!loop->ready) return uv_poll_init(&loop->uv, &listener->poll, fd);
  ready_init(&listener->ready, listener_on_ready);
  return ready_watch(loop, &listener->ready, fd, READY_NOTHING);
}

/* Watches `bound`, which it takes over, also on failure. */
static int open_bound(struct net_loop *loop, const struct bound_socket *bound,
                      const struct listener_events *events, void *owner, struct listener **out) {
  struct listener *listener = listener_new(loop, events, owner);
  int rc = listener ? watch(listener, bound->fd) : UV_ENOMEM;
  if (rc < 0) {
    bind_release(bound);
    free(listener);
    return rc;
  }
  listener->bound = *bound;
  *out = listener;
  return 0;
}

int listener_bind_as(struct net_loop *loop, const struct listener_options *options,
                     const struct listener_events *events, void *owner, struct listener **out) {
  struct bound_socket bound;
  *out = NULL;
  if (!loop->network) {
    int rc = bind_open(options, &bound);
    return rc < 0 ? rc : open_bound(loop, &bound, events, owner, out);
  }
  struct listener *listener = listener_new(loop, events, owner);
  int rc = listener ? open_port(loop, options->address, options->beside, listener) : UV_ENOMEM;
  if (rc == 0) {
    *out = listener;
  } else {
    free(listener);
  }
  return rc;
}

int listener_bind(struct net_loop *loop, const struct sockaddr *address, socklen_t address_size,
                  const struct listener_events *events, void *owner, struct listener **out) {
  const struct listener_options options = {.address = address, .address_size = address_size};
  return listener_bind_as(loop, &options, events, owner, out);
}

int listener_take_over(const struct listener *old, const struct listener_events *events,
                       void *owner, struct listener **out) {
  struct bound_socket bound;
  *out = NULL;
  if (old->port) return UV_ENOTSUP;
  int rc = bind_duplicate(&old->bound, &bound);
  return rc < 0 ? rc : open_bound(old->loop, &bound, events, owner, out);
}

int listener_adopt(struct net_loop *loop, int fd, const struct listener_events *events, void *owner,
                   struct listener **out) {
  struct bound_socket bound;
  *out = NULL;
  int rc = bind_adopt(fd, &bound);
  if (rc < 0) {
    bind_release(&bound);
    return rc;
  }
  return open_bound(loop, &bound, events, owner, out);
}

int listener_adopt_bound(struct net_loop *loop, const struct bound_socket *bound,
                         const struct listener_events *events, void *owner, struct listener **out) {
  *out = NULL;
  return open_bound(loop, bound, events, owner, out);
}

void listener_share_port(const struct listener *listener, bool on) {
  const int value = on;
  if (!listener->port)
    setsockopt(listener->bound.fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof value);
}

int listener_listen(struct listener *listener, int backlog) {
  if (listener->port) {
    port_listen(listener->port, backlog);
  } else if (backlog != LISTENER_LISTENS && listen(listener->bound.fd, backlog) < 0) {
    return uv_translate_sys_error(errno);
  }
  listener->listening = true;
  update_polling(listener);
  return 0;
}

int listener_address(const struct listener *listener, struct sockaddr_storage *out,
                     socklen_t *size) {
  *size = sizeof *out;
  if (listener->port) {
    *size = address_size(port_address(listener->port));
    memcpy(out, port_address(listener->port), *size);
    return 0;
  }
  int rc = getsockname(listener->bound.fd, (struct sockaddr *)out, size);
  return rc == 0 ? 0 : uv_translate_sys_error(errno);
}

bool listener_is_at(const struct listener *listener, const char *path) {
  struct stat status;
  const struct bound_file *file = listener->bound.file;
  return file && lstat(path, &status) == 0 && status.st_ino == file->inode &&
         status.st_dev == file->device;
}

bool listener_owns_file(const struct listener *listener) {
  return listener->bound.file != NULL;
}

void listener_own_file(struct listener *listener, bool on) {
  if (!listener->port) bind_own_file(&listener->bound, on);
}

int listener_descriptor(const struct listener *listener) {
  return listener->port ? UV_ENOTSUP : listener->bound.fd;
}

void listener_accept_waiting(struct listener *listener) {
  if (!listener->listening) return;
  for (int i = 0; i < BACKLOG_MAX && accept_one(listener); i++) continue;
}

static void on_closed(uv_handle_t *handle) {
  free(LIST_ELEMENT(handle, struct listener, poll));
}

void listener_close(struct listener *listener) {
  if (listener->is_closed) return;
  listener->is_closed = true;
  list_remove(&listener->starved_link);
  list_remove(&listener->shut_link);
  if (listener->port) {
    port_close(listener->port);
    listener->is_polled = false;
    net_defer_ask(listener->defer);
    return;
  }
  if (listener->loop->ready) {
    ready_unwatch(listener->loop, listener->bound.fd);
    if (!listener->is_polled) ready_keep(listener->loop, 1); /* until it is freed */
    ready_end(listener->loop, &listener->ready);
  } else {
    uv_poll_stop(&listener->poll);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
  }
  listener->is_polled = false;
  bind_release(&listener->bound); /* after uv_poll_stop() the descriptor is ours again */
}
