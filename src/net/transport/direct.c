/* net/transport/direct.c — the lowest layer: a socket's bytes as they are, through an epoll set of our
 * own. Knows no connection, and nothing of libuv but its names of errors.
 *
 * That bytes have come is told once (net/ready.h). What is not read then, because nobody reads now or
 * the share of a turn is used up, is remembered: DIRECT_READABLE. A read that comes back short has
 * emptied the socket, but for three ends that look so: FIN or RST behind the bytes, a byte that is
 * urgent, and on a Unix socket a descriptor that was sent along. Where one is possible, it is read
 * until there is nothing. One that fills the buffer says nothing: whoever has so much is told as long
 * as there is more (DIRECT_LEVEL), which costs less than to ask the socket.
 *
 * How it fails: as plain.c does. */
#include "net/ready.h"
#include "net/transport/socket.h"

#include "base/address.h"
#include "base/platform.h"
#include "net/bind.h"
#include "net/loop_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Beside the flags of net/turn.h. */
enum {
  DIRECT_READABLE = 1 << 0,
  DIRECT_WRITABLE = 1 << 1,
  DIRECT_UNSURE = 1 << 2, /* a short read says nothing */
  DIRECT_READING = 1 << 3,
  DIRECT_CONNECTING = 1 << 4,
  DIRECT_ENDED = 1 << 5, /* nothing more can be read */
  DIRECT_CLOSED = 1 << 6,
  DIRECT_KEPT = 1 << 7, /* the loop runs on for it */
  DIRECT_UNIX = 1 << 8,
  DIRECT_BACK = 1 << 9,   /* something is put back */
  DIRECT_LEVEL = 1 << 10, /* told as long as there is something to read, and not once */
};

enum {
  LAST_EVENTS = EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR,
  READS_MAX = 2,       /* in a turn: bytes, and what is behind them */
  LITTLE_BYTES = 4096, /* who reads so little is told once */
};

#define READ_EVENTS ((uint32_t)EPOLLET | EPOLLIN | EPOLLRDHUP | EPOLLPRI)

/* What a write() has left. */
struct left {
  unsigned count;
  unsigned first;
  uv_buf_t bufs[];
};

/* What was read, and could not be told: the next read has it. Seldom, so it is found through the loop. */
struct put_back {
  struct put_back *next;
  const struct direct *of;
  size_t first;
  size_t size;
  char bytes[];
};

struct direct {
  struct transport transport;
  struct transport *above;
  struct net_loop *loop;
  struct ready ready; /* its fd is -1 before there is one, and once it is closed */
  struct left *left;  /* NULL: no write() is under way */
  uint32_t flags;
  union {
    uint32_t room;
    int error; /* of connect(2), to be told: until then it is not read */
  };
};

static struct direct *direct_of(const struct transport *self) {
  return (struct direct *)self;
}

static void direct_set_above(struct transport *self, struct transport *above) {
  direct_of(self)->above = above;
}

static int direct_descriptor(const struct transport *self) {
  int fd = direct_of(self)->ready.fd;
  return fd < 0 ? UV_EBADF : fd;
}

/* Has the kernel tell what is ready already once more. */
static int look_again(struct direct *direct) {
  uint32_t events = READ_EVENTS | (direct->left ? EPOLLOUT : 0);
  direct->flags &= ~(uint32_t)DIRECT_LEVEL;
  return ready_watch_again(direct->loop, &direct->ready, direct->ready.fd, events);
}

/* Nothing else may be told all the time: room to write, or an end. */
static void look_always(struct direct *direct) {
  if (direct->left || (direct->flags & (DIRECT_UNSURE | DIRECT_LEVEL))) return;
  uint32_t events = READ_EVENTS & ~(uint32_t)EPOLLET;
  if (ready_watch_again(direct->loop, &direct->ready, direct->ready.fd, events) < 0) return;
  direct->flags |= DIRECT_LEVEL;
}

/* libuv's rule: the loop runs on for whoever reads, writes, connects or closes. */
static void update_kept(struct direct *direct) {
  uint32_t busy = DIRECT_READING | DIRECT_CONNECTING | DIRECT_CLOSED;
  bool is_kept = direct->left || (direct->flags & busy);
  if (is_kept == !!(direct->flags & DIRECT_KEPT)) return;
  direct->flags ^= DIRECT_KEPT;
  ready_keep(direct->loop, is_kept ? 1 : -1);
}

/* --- Opening --------------------------------------------------------------------------------- */

static int direct_adopt(struct transport *self, int fd) {
  struct direct *direct = direct_of(self);
  int rc = ready_watch(direct->loop, &direct->ready, fd, READ_EVENTS);
  if (rc == 0) direct->ready.fd = fd;
  return rc;
}

/* What connect(2) says at once is told in the next turn, as all that it says. */
static int direct_connect(struct transport *self, const struct sockaddr *address) {
  struct direct *direct = direct_of(self);
  int fd = platform_socket(address->sa_family, SOCK_STREAM, false);
  if (fd < 0) return uv_translate_sys_error(errno);
  direct->ready.fd = fd;
  direct->flags |= DIRECT_CONNECTING;
  update_kept(direct);
  int rc;
  do {
    rc = connect(fd, address, address_size(address));
  } while (rc < 0 && errno == EINTR);
  bool is_under_way = rc < 0 && errno == EINPROGRESS;
  if (rc < 0 && !is_under_way) direct->error = uv_translate_sys_error(errno);
  if (!is_under_way) direct->ready.events = EPOLLOUT;
  if (!is_under_way) ready_ask(direct->loop, &direct->ready);
  return ready_watch(direct->loop, &direct->ready, fd, READ_EVENTS | EPOLLOUT);
}

static void end_connect(struct direct *direct) {
  struct transport *above = direct->above;
  if (!(direct->flags & DIRECT_WRITABLE)) return;
  int error = direct->error ? direct->error : socket_error(&direct->transport);
  direct->flags &= ~(uint32_t)DIRECT_CONNECTING;
  update_kept(direct);
  if (error < 0) {
    above->ops->failed(above, error);
    return;
  }
  if (!(direct->flags & DIRECT_UNIX)) (void)bind_set_tcp_options(direct->ready.fd);
  above->ops->ready(above);
}

static int direct_open(struct transport *self) {
  struct direct *direct = direct_of(self);
  if (!(direct->flags & DIRECT_CONNECTING)) direct->above->ops->ready(direct->above);
  return 0;
}

/* --- Reading --------------------------------------------------------------------------------- */

static bool is_to_be_read(const struct direct *direct) {
  const uint32_t wanted = DIRECT_READABLE | DIRECT_READING;
  return (direct->flags & (wanted | DIRECT_ENDED | DIRECT_CLOSED)) == wanted;
}

static int direct_read_start(struct transport *self, size_t room) {
  struct direct *direct = direct_of(self);
  direct->room = (uint32_t)room;
  direct->flags |= DIRECT_READING;
  update_kept(direct);
  if (is_to_be_read(direct)) ready_ask(direct->loop, &direct->ready);
  return 0;
}

static void direct_read_stop(struct transport *self) {
  direct_of(self)->flags &= ~(uint32_t)DIRECT_READING;
  update_kept(direct_of(self));
}

/* Counts what has been read; an error is not there to be read again. */
static void note_read(struct direct *direct, ssize_t size, size_t room) {
  bool is_bulk = size > 0 && turn_is_full((size_t)size, room);
  if (is_bulk) look_always(direct);
  if (size < LITTLE_BYTES && (direct->flags & DIRECT_LEVEL)) (void)look_again(direct);
  uint32_t flags = direct->flags & ~(uint32_t)TURN_BULK;
  bool is_short = size <= 0 || ((size_t)size < room && !(flags & DIRECT_UNSURE));
  bool is_last = is_short || (flags & DIRECT_LEVEL);
  direct->flags = is_last ? flags & ~(uint32_t)DIRECT_READABLE : flags;
  if (is_bulk) turn_count(&direct->loop->turn, &direct->flags, (size_t)size);
}

/* Where the list has what is put back of that one; NULL is there when nothing is. */
static struct put_back **back_of(const struct direct *direct) {
  struct put_back **place = &direct->loop->stage.back;
  while (*place && (*place)->of != direct) place = &(*place)->next;
  return place;
}

static void drop_back(struct direct *direct) {
  if (!(direct->flags & DIRECT_BACK)) return;
  struct put_back **place = back_of(direct), *back = *place;
  assert(back);
  direct->flags &= ~(uint32_t)DIRECT_BACK;
  *place = back->next;
  free(back);
}

static size_t take_back(struct direct *direct, char *to, size_t room) {
  struct put_back *back = *back_of(direct);
  assert(back);
  size_t size = back->size < room ? back->size : room;
  memcpy(to, back->bytes + back->first, size);
  back->first += size;
  back->size -= size;
  if (back->size == 0) drop_back(direct);
  return size;
}

/* Reading was stopped meanwhile, or with less room: as if nothing had been read yet. */
static void put_back(struct direct *direct, const char *bytes, size_t size) {
  struct stage *stage = &direct->loop->stage;
  struct put_back *back = malloc(sizeof *back + size);
  if (!back) {
    direct->above->ops->failed(direct->above, UV_ENOMEM);
    return;
  }
  *back = (struct put_back){.next = stage->back, .of = direct, .size = size};
  memcpy(back->bytes, bytes, size);
  stage->back = back;
  direct->flags |= DIRECT_READABLE | DIRECT_BACK;
  if (is_to_be_read(direct)) ready_ask(direct->loop, &direct->ready);
}

/* Handlers of those before it may have done anything to this one. */
static void tell_staged(const struct staged *staged) {
  struct direct *direct = direct_of(staged->lowest);
  struct transport *above = direct->above;
  if (direct->flags & DIRECT_CLOSED) return;
  if ((direct->flags & DIRECT_READING) && direct->room >= staged->size) {
    above->ops->received(above, staged->bytes, staged->size);
  } else {
    put_back(direct, staged->bytes, staged->size);
  }
}

static void direct_tell_staged(struct net_loop *loop) {
  struct stage *stage = &loop->stage;
  const struct staged *staged;
  if (stage->count == 0) return;
  stage->is_told = true;
  stage->since_ms = net_loop_now_ms(loop);
  while ((staged = stage_first(stage))) {
    stage->first++;
    tell_staged(staged);
  }
  stage_clear(stage);
  net_loop_flush(loop);
}

/* At once when something else may follow; or when somebody watches in which order all of it happens. */
static void tell_soon(struct direct *direct, const char *bytes, size_t size) {
  struct net_loop *loop = direct->loop;
  stage_put(&loop->stage, &direct->transport, bytes, size);
  if (stage_is_full(&loop->stage) || (direct->flags & DIRECT_READABLE) || loop->tap.kinds) {
    direct_tell_staged(loop);
  }
}

/* Behind the bytes that others have received. FIN can be read again, by one whom their handlers have
 * stopped. */
static void tell_end(struct direct *direct, int error) {
  direct_tell_staged(direct->loop);
  if (direct->flags & DIRECT_CLOSED) return;
  if (error == 0 && !(direct->flags & DIRECT_READING)) {
    direct->flags |= DIRECT_READABLE;
    return;
  }
  struct transport *above = direct->above;
  direct->flags |= DIRECT_ENDED;
  if (error == 0) {
    above->ops->ended(above);
  } else {
    above->ops->failed(above, uv_translate_sys_error(error));
  }
}

static ssize_t direct_pour(struct net_loop *loop, const struct transport *to) {
  ssize_t taken = to ? piped_give(&loop->piped, direct_of(to)->ready.fd) : 0;
  piped_read(&loop->piped, loop->read_buffer);
  return taken;
}

/* Much goes into the pipe. False: it has to be read. Who watches sees bytes. */
static bool pour_in(struct direct *direct) {
  struct net_loop *loop = direct->loop;
  if (direct->room < TRANSPORT_ROOM_PIPE || !(direct->flags & TURN_BULK)) return false;
  if (loop->tap.kinds) return false;
  size_t size = piped_take(&loop->piped, direct->ready.fd, READ_BUFFER_BYTES);
  if (size == 0) return false;
  note_read(direct, (ssize_t)size, size);
  direct->above->ops->received(direct->above, NULL, size);
  piped_read(&loop->piped, loop->read_buffer); /* it was to be read off */
  return true;
}

static void read_once(struct direct *direct) {
  struct net_loop *loop = direct->loop;
  struct transport *above = direct->above;
  if (direct->room == 0) {
    above->ops->received(above, NULL, 0);
    return;
  }
  char *buffer = loop->read_buffer + loop->stage.used;
  size_t room = READ_BUFFER_BYTES - loop->stage.used;
  if (room > direct->room) room = direct->room;
  if (direct->flags & DIRECT_BACK) {
    tell_soon(direct, buffer, take_back(direct, buffer, room));
    return;
  }
  if (pour_in(direct)) return;
  ssize_t size;
  do {
    size = platform_recv(direct->ready.fd, buffer, room);
  } while (size < 0 && errno == EINTR);
  int error = size < 0 ? errno : 0;
  note_read(direct, size, room);
  if (size > 0) {
    tell_soon(direct, buffer, (size_t)size);
  } else if (error != EAGAIN) {
    tell_end(direct, error);
  } else if (!(direct->flags & DIRECT_UNIX)) {
    (void)look_again(direct); /* seldom, and no edge is lost whatever made it say so */
  }
}

static bool may_read(const struct direct *direct) {
  return !(direct->flags & TURN_BULK) || turn_may_read(&direct->loop->turn, direct->flags);
}

/* --- Writing --------------------------------------------------------------------------------- */

static ssize_t direct_write_now(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  return socket_write(direct_of(self)->ready.fd, bufs, count);
}

static void drop_left(struct direct *direct) {
  free(direct->left);
  direct->left = NULL;
  update_kept(direct);
}

static int direct_write(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  struct direct *direct = direct_of(self);
  struct left *left = malloc(sizeof *left + count * sizeof *bufs);
  if (!left) return UV_ENOMEM;
  left->count = count;
  left->first = 0;
  memcpy(left->bufs, bufs, count * sizeof *bufs);
  direct->left = left;
  update_kept(direct);
  int rc = look_again(direct);
  if (rc < 0) drop_left(direct);
  return rc;
}

static bool is_all_taken(struct left *left, size_t taken) {
  while (left->first < left->count && taken >= left->bufs[left->first].len) {
    taken -= left->bufs[left->first++].len;
  }
  if (left->first == left->count) return true;
  left->bufs[left->first].base += taken;
  left->bufs[left->first].len -= taken;
  return false;
}

static void write_on(struct direct *direct) {
  struct transport *above = direct->above;
  struct left *left = direct->left;
  ssize_t taken =
      socket_write(direct->ready.fd, left->bufs + left->first, left->count - left->first);
  int rc = taken < 0 ? (int)taken : 0;
  bool is_done = rc == 0 && is_all_taken(left, (size_t)taken);
  if (rc == 0 && !is_done) rc = look_again(direct);
  if (rc == 0 && !is_done) return;
  drop_left(direct);
  if (rc < 0) {
    above->ops->failed(above, rc);
  } else {
    above->ops->written(above);
  }
}

static size_t direct_unread(const struct transport *self) {
  const struct put_back *back = *back_of(direct_of(self));
  return socket_unread(self) + (back ? back->size : 0);
}

static size_t direct_unacknowledged(const struct transport *self) {
  const struct direct *direct = direct_of(self);
  size_t size = platform_unacknowledged_bytes(direct->ready.fd);
  for (unsigned i = 0; direct->left && i < direct->left->count - direct->left->first; i++) {
    size += direct->left->bufs[direct->left->first + i].len;
  }
  return size;
}

/* --- Its turn -------------------------------------------------------------------------------- */

static void take_events(struct direct *direct) {
  uint32_t events = direct->ready.events;
  direct->ready.events = 0;
  if (events & (LAST_EVENTS | EPOLLIN)) direct->flags |= DIRECT_READABLE;
  if (events & LAST_EVENTS) direct->flags |= DIRECT_UNSURE;
  if ((events & LAST_EVENTS) && (direct->flags & DIRECT_LEVEL)) (void)look_again(direct);
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) direct->flags |= DIRECT_WRITABLE;
}

/* Else something is told that bytes of others come before, or it gets all of the read buffer. */
static bool is_only_read(const struct direct *direct) {
  if (direct->flags & (DIRECT_CONNECTING | TURN_BULK)) return false;
  return !direct->left || !(direct->flags & DIRECT_WRITABLE);
}

/* Only `closed` frees it, so it can be looked at after other events were told. */
static void direct_on_turn(struct ready *ready) {
  struct direct *direct = LIST_ELEMENT(ready, struct direct, ready);
  if (direct->flags & DIRECT_CLOSED) {
    ready_keep(direct->loop, -1);
    direct->above->ops->closed(direct->above);
    return;
  }
  take_events(direct);
  if (!is_only_read(direct)) direct_tell_staged(direct->loop);
  if (direct->flags & DIRECT_CLOSED) return; /* by one of those handlers: its last turn comes */
  if (direct->flags & DIRECT_CONNECTING) end_connect(direct);
  if (direct->left && (direct->flags & DIRECT_WRITABLE)) write_on(direct);
  direct->flags &= ~(uint32_t)DIRECT_WRITABLE;
  for (int i = 0; i < READS_MAX && is_to_be_read(direct) && may_read(direct); i++) {
    read_once(direct);
  }
  if (is_to_be_read(direct)) {
    ready_ask(direct->loop, ready);
  } else if ((direct->flags & DIRECT_LEVEL) && (direct->flags & DIRECT_READABLE)) {
    (void)look_again(direct); /* nobody reads it */
  }
}

/* --- Closing --------------------------------------------------------------------------------- */

static void direct_close(struct transport *self) {
  struct direct *direct = direct_of(self);
  if (direct->ready.fd >= 0) {
    ready_unwatch(direct->loop, direct->ready.fd);
    close(direct->ready.fd);
  }
  direct->ready.fd = -1;
  direct->flags |= DIRECT_CLOSED;
  drop_back(direct);
  drop_left(direct);
  ready_end(direct->loop, &direct->ready);
}

static void direct_reset(struct transport *self) {
  const struct linger with_rst = {.l_onoff = 1};
  struct direct *direct = direct_of(self);
  if (!(direct->flags & DIRECT_UNIX)) {
    (void)setsockopt(direct->ready.fd, SOL_SOCKET, SO_LINGER, &with_rst, sizeof with_rst);
  }
  direct_close(self);
}

static size_t direct_size(bool is_unix) {
  (void)is_unix;
  return sizeof(struct direct);
}

static void direct_init(struct transport *self, struct transport *above, struct net_loop *loop,
                        bool is_unix) {
  static const struct transport_facts facts = {
      .descriptor = direct_descriptor,
      .local = socket_local,
      .peer = socket_peer,
      .tcp_info = socket_tcp_info,
      .error = socket_error,
  };
  static const struct transport_ops ops = {
      .facts = &facts,
      .set_above = direct_set_above,
      .open = direct_open,
      .read_start = direct_read_start,
      .read_stop = direct_read_stop,
      .write_now = direct_write_now,
      .write = direct_write,
      .finish = socket_finish,
      .reset = direct_reset,
      .close = direct_close,
      .unread = direct_unread,
      .unacknowledged = direct_unacknowledged,
  };
  struct direct *direct = direct_of(self);
  *direct = (struct direct){.transport = {&ops}, .above = above, .loop = loop};
  if (is_unix) direct->flags = DIRECT_UNIX | DIRECT_UNSURE;
  ready_init(&direct->ready, direct_on_turn);
  direct->ready.fd = -1;
}

const struct socket_kind direct_sockets = {direct_size,  direct_init,        direct_connect,
                                           direct_adopt, direct_tell_staged, direct_pour};
