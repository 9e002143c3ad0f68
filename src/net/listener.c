/* net/listener.c — a listening socket: bind, listen, accept. Knows libuv, not Lua.
 *
 * The socket is our own, watched by a uv_poll_t, because libuv's listen has no way to stop
 * accepting, and when descriptors run out it accepts and drops what waits in the backlog. Here such
 * connections stay in the backlog until a descriptor is free: accepting stops, and is tried again
 * when a connection closes, and twice a second. */
#include "net/listener.h"

#include "base/list.h"
#include "net/bind.h"
#include "net/loop_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
  ACCEPTS_PER_TURN = 64, /* a flood of connects must not keep those that are open from being read */
  FAILURES_MAX = 100,    /* then it is not the connections' fault */
  STARVED_RETRY_MS = 500,
  BACKLOG_MAX = 65536, /* more cannot wait */
};

struct listener {
  uv_poll_t poll;
  struct net_loop *loop;
  const struct listener_events *events;
  void *owner;
  struct bound_socket bound;
  int failures; /* of accept4() in a row, other than for want of something */
  bool listening;
  bool paused;
  struct list starved_link; /* in loop->starved while there are no descriptors */
};

static void on_connection(uv_poll_t *poll, int status, int events);

static void update_polling(struct listener *listener) {
  bool wanted = listener->listening && !listener->paused && list_empty(&listener->starved_link);
  if (wanted == !!uv_is_active((uv_handle_t *)&listener->poll)) return;
  int rc = wanted ? uv_poll_start(&listener->poll, UV_READABLE, on_connection)
                  : uv_poll_stop(&listener->poll);
  assert(rc == 0); /* both fail only on a closed handle */
  (void)rc;
}

void listener_pause(struct listener *listener, bool on) {
  listener->paused = on;
  if (!uv_is_closing((uv_handle_t *)&listener->poll)) update_polling(listener);
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

static void starve(struct listener *listener, int rc) {
  struct net_loop *loop = listener->loop;
  listener->failures = 0;
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
  int fd = accept4(listener->bound.fd, peer, &taken, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0 || !listener->events->uses_spares || !lacks_descriptor(errno)) return fd;
  if (!net_loop_lend_spare(loop)) return fd; /* errno is still accept4's */
  taken = size;
  fd = accept4(listener->bound.fd, peer, &taken, SOCK_NONBLOCK | SOCK_CLOEXEC);
  int error = errno;
  if (fd < 0) (void)net_loop_refill_spares(loop); /* the kernel asks for one before it looks */
  errno = error;
  return fd;
}

/* Accepts one; false when there is nothing more to accept now. */
static bool accept_one(struct listener *listener) {
  union {
    struct sockaddr any;
    struct sockaddr_storage storage;
  } peer;
  int fd = accept_descriptor(listener, &peer.any, sizeof peer);
  if (fd >= 0) {
    listener->failures = 0;
    listener->events->on_accept(listener->owner, fd, &peer.any);
    return true;
  }
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: starve(listener, uv_translate_sys_error(errno)); return false;
    case EAGAIN: return false;
    default: /* ECONNABORTED, EINTR and the network errors of accept(2): that one is gone */
      if (++listener->failures < FAILURES_MAX) return true;
      starve(listener, uv_translate_sys_error(errno));
      return false;
  }
}

static bool is_wanted(struct listener *listener) {
  const struct listener_events *events = listener->events;
  if (events->is_wanted && !events->is_wanted(listener->owner)) listener_pause(listener, true);
  return uv_is_active((uv_handle_t *)&listener->poll);
}

static void on_connection(uv_poll_t *poll, int status, int events) {
  (void)status; /* an error on a listening socket shows again in accept4() */
  (void)events;
  struct listener *listener = LIST_ELEMENT(poll, struct listener, poll);
  for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
    /* on_accept() may pause or close the listener. */
    if (!uv_is_active((uv_handle_t *)poll) || !is_wanted(listener)) return;
    if (!accept_one(listener)) return;
  }
}

/* Watches `bound`, which it takes over, also on failure. */
static int open_bound(struct net_loop *loop, const struct bound_socket *bound,
                      const struct listener_events *events, void *owner, struct listener **out) {
  struct listener *listener = calloc(1, sizeof *listener);
  int rc = listener ? uv_poll_init(&loop->uv, &listener->poll, bound->fd) : UV_ENOMEM;
  if (rc < 0) {
    bind_release(bound);
    free(listener);
    return rc;
  }
  listener->loop = loop;
  listener->events = events;
  listener->owner = owner;
  listener->bound = *bound;
  list_init(&listener->starved_link);
  *out = listener;
  return 0;
}

int listener_bind(struct net_loop *loop, const struct sockaddr *address, socklen_t address_size,
                  const struct listener_events *events, void *owner, struct listener **out) {
  struct bound_socket bound;
  *out = NULL;
  int rc = bind_open(address, address_size, false, &bound);
  return rc < 0 ? rc : open_bound(loop, &bound, events, owner, out);
}

int listener_bind_beside(const struct listener *old, const struct sockaddr *address,
                         socklen_t address_size, const struct listener_events *events, void *owner,
                         struct listener **out) {
  struct bound_socket bound;
  *out = NULL;
  int rc = bind_open(address, address_size, true, &bound);
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

/* Set after bind(2), it changes nothing for others, who still find the port taken. But this socket
 * and those that it accepts let listener_bind_beside() have the port. */
static void let_share_port(const struct listener *listener) {
  const int on = 1;
  setsockopt(listener->bound.fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

int listener_listen(struct listener *listener, int backlog) {
  if (listen(listener->bound.fd, backlog) < 0) return uv_translate_sys_error(errno);
  let_share_port(listener);
  listener->listening = true;
  update_polling(listener);
  return 0;
}

int listener_address(const struct listener *listener, struct sockaddr_storage *out,
                     socklen_t *size) {
  *size = sizeof *out;
  int rc = getsockname(listener->bound.fd, (struct sockaddr *)out, size);
  return rc == 0 ? 0 : uv_translate_sys_error(errno);
}

int listener_descriptor(const struct listener *listener) {
  return listener->bound.fd;
}

void listener_accept_waiting(struct listener *listener) {
  if (!listener->listening) return;
  for (int i = 0; i < BACKLOG_MAX && accept_one(listener); i++) continue;
}

static void on_closed(uv_handle_t *handle) {
  free(LIST_ELEMENT(handle, struct listener, poll));
}

void listener_close(struct listener *listener) {
  if (uv_is_closing((uv_handle_t *)&listener->poll)) return;
  list_remove(&listener->starved_link);
  uv_poll_stop(&listener->poll);
  uv_close((uv_handle_t *)&listener->poll, on_closed);
  bind_release(&listener->bound); /* after uv_poll_stop() the descriptor is ours again */
}
