/* net/transport/memory.c — the lowest layer: a pipe in memory. Knows a loop, and no socket.
 *
 * Whatever the peer does becomes an arrival, in order, each with its time. The connection is told of
 * one arrival, or of one cut of it, in a turn of the loop.
 *
 * How it fails, when it is told to:
 *   - opening: `failed`, in place of `ready`;
 *   - the peer's RST: `failed` when it is read that far, or when a write() waits, else what `error`,
 *     write_now() and `finish` say;
 *   - writing: write_now() says so;
 *   - `finish` fails, and the connection is closed without;
 *   - a closed window, for ever: `written` does not come;
 *   - loss: as if the cable was cut, the peer gets nothing, and nothing comes. */
#include "net/transport/memory_state.h"

#include "base/address.h"
#include "net/defer.h"
#include "net/loop.h"
#include "net/timer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { MEMORY_WINDOW_BYTES = 65536 };

static struct memory_pipe *pipe_of(const struct transport *self) {
  return ((const struct memory *)self)->pipe;
}

/* --- Telling --------------------------------------------------------------------------------- */

static struct arrival *first_arrival(const struct memory_pipe *pipe) {
  bool is_none = list_empty(&pipe->arrivals);
  return is_none ? NULL : LIST_ELEMENT(pipe->arrivals.next, struct arrival, link);
}

struct arrival *memory_last_arrival(const struct memory_pipe *pipe) {
  bool is_none = list_empty(&pipe->arrivals);
  return is_none ? NULL : LIST_ELEMENT(pipe->arrivals.prev, struct arrival, link);
}

static bool is_rst(const struct arrival *arrival) {
  return arrival && arrival->end != 0 && arrival->end != UV_EOF;
}

static bool is_due(const struct memory_pipe *pipe, const struct arrival *arrival) {
  return arrival && arrival->due_ms <= net_loop_now_ms(pipe->loop);
}

/* What the connection is told of next, once it is due: who does not read hears of RST all the same,
 * while it writes. */
static struct arrival *next_arrival(const struct memory_pipe *pipe) {
  if (pipe->is_read) return first_arrival(pipe);
  struct arrival *last = memory_last_arrival(pipe);
  return pipe->waiting_size > 0 && is_rst(last) ? last : NULL;
}

void memory_tell_change(const struct memory_pipe *pipe) {
  if (pipe->on_change) pipe->on_change(pipe->change_owner);
}

static void memory_on_due(void *owner);

void memory_go_on(struct memory_pipe *pipe) {
  const struct arrival *arrival = next_arrival(pipe);
  if (pipe->news || is_due(pipe, arrival)) {
    net_defer_ask(pipe->defer);
  } else if (arrival && !pipe->timer) {
    uint64_t delay_ms = arrival->due_ms - net_loop_now_ms(pipe->loop);
    pipe->timer = net_timer_open(pipe->loop, delay_ms, 0, memory_on_due, pipe);
    if (!pipe->timer) net_defer_ask(pipe->defer); /* memory is out: it is asked in each turn */
  }
}

static void stop_timer(struct memory_pipe *pipe) {
  if (pipe->timer) net_timer_close(pipe->timer);
  pipe->timer = NULL;
}

static void memory_on_due(void *owner) {
  struct memory_pipe *pipe = owner;
  stop_timer(pipe);
  memory_go_on(pipe);
}

static void tell_arrival(struct memory_pipe *pipe, struct arrival *arrival,
                         struct transport *above) {
  if (pipe->is_read && pipe->room == 0) {
    memory_go_on(pipe);
    above->ops->received(above, NULL, 0);
    return;
  }
  size_t size = arrival->size - arrival->start;
  if (size > pipe->room) size = pipe->room;
  if (pipe->settings.cut_bytes && size > pipe->settings.cut_bytes) size = pipe->settings.cut_bytes;
  const char *bytes = arrival->bytes + arrival->start;
  int end = arrival->end;
  arrival->start += size;
  pipe->arriving -= size;
  pipe->told = arrival;
  if (arrival->start == arrival->size) list_remove(&arrival->link);
  memory_go_on(pipe);
  memory_tell_change(pipe);
  if (end == 0) {
    above->ops->received(above, bytes, size);
  } else if (end == UV_EOF) {
    above->ops->ended(above);
  } else {
    above->ops->failed(above, end);
  }
}

static void tell_news(struct memory_pipe *pipe, struct transport *above) {
  unsigned news = pipe->news & -pipe->news; /* one of them */
  pipe->news &= ~news;
  memory_go_on(pipe);
  if (news == NEWS_OPENED && pipe->settings.open_error == 0) {
    above->ops->ready(above);
  } else if (news == NEWS_OPENED) {
    above->ops->failed(above, pipe->settings.open_error);
  } else if (news == NEWS_WRITTEN) {
    above->ops->written(above);
  } else {
    pipe->end = NULL;
    pipe->seen.closed = true;
    memory_tell_change(pipe);
    above->ops->closed(above);
  }
}

/* It stays while it has more bytes. */
static void let_told_go(struct memory_pipe *pipe) {
  if (pipe->told && list_empty(&pipe->told->link)) free(pipe->told);
  pipe->told = NULL;
}

static void memory_on_turn(void *owner) {
  struct memory_pipe *pipe = owner;
  struct arrival *arrival = next_arrival(pipe);
  let_told_go(pipe);
  if (pipe->news) {
    tell_news(pipe, pipe->end->above);
  } else if (is_due(pipe, arrival)) {
    tell_arrival(pipe, arrival, pipe->end->above);
  } else {
    memory_go_on(pipe);
  }
}

/* --- The pipe ------------------------------------------------------------------------------- */

struct memory_pipe *memory_new(struct net_loop *loop) {
  struct memory_pipe *pipe = calloc(1, sizeof *pipe);
  if (!pipe) return NULL;
  pipe->defer = net_defer_new(loop, memory_on_turn, pipe);
  if (!pipe->defer) {
    free(pipe);
    return NULL;
  }
  pipe->loop = loop;
  pipe->settings.window_bytes = MEMORY_WINDOW_BYTES;
  list_init(&pipe->arrivals);
  return pipe;
}

void memory_drop_arrivals(struct memory_pipe *pipe) {
  struct list *link = pipe->arrivals.next;
  while (link != &pipe->arrivals) {
    struct arrival *arrival = LIST_ELEMENT(link, struct arrival, link);
    link = link->next;
    list_init(&arrival->link);
    if (arrival != pipe->told) free(arrival); /* who is told of it may still look at it */
  }
  list_init(&pipe->arrivals);
  pipe->arriving = 0;
}

void memory_free(struct memory_pipe *pipe) {
  memory_drop_arrivals(pipe);
  stop_timer(pipe);
  net_defer_close(pipe->defer);
  let_told_go(pipe);
  free(pipe->written);
  free(pipe);
}

size_t memory_window_left(const struct memory_pipe *pipe, size_t used) {
  return used < pipe->settings.window_bytes ? pipe->settings.window_bytes - used : 0;
}

void memory_admit(struct memory_pipe *pipe) {
  size_t left = memory_window_left(pipe, pipe->written_size);
  size_t size = pipe->waiting_size < left ? pipe->waiting_size : left;
  if (size == 0) return;
  pipe->written_size += size;
  pipe->waiting_size -= size;
  if (pipe->waiting_size == 0) pipe->news |= NEWS_WRITTEN;
  memory_go_on(pipe);
}

/* --- The connection's end -------------------------------------------------------------------- */

static void memory_set_above(struct transport *self, struct transport *above) {
  ((struct memory *)self)->above = above;
}

static void answer_open(struct memory_pipe *pipe) {
  if (!pipe->is_opening || pipe->is_held) return;
  pipe->is_opening = false;
  pipe->news |= NEWS_OPENED;
  memory_go_on(pipe);
}

static int memory_open(struct transport *self) {
  pipe_of(self)->is_opening = true;
  answer_open(pipe_of(self));
  return 0;
}

void memory_hold_open(struct memory_pipe *pipe) {
  pipe->is_held = true;
}

void memory_opened(struct memory_pipe *pipe, int rc) {
  pipe->is_held = false;
  if (rc < 0) pipe->settings.open_error = rc;
  answer_open(pipe);
}

static int memory_read_start(struct transport *self, size_t room) {
  struct memory_pipe *pipe = pipe_of(self);
  pipe->is_read = true;
  pipe->room = room;
  memory_go_on(pipe);
  return 0;
}

static void memory_read_stop(struct transport *self) {
  pipe_of(self)->is_read = false;
}

/* RST is known of before what came before it is read. */
static int memory_error(const struct transport *self) {
  const struct memory_pipe *pipe = pipe_of(self);
  const struct arrival *last = memory_last_arrival(pipe);
  return is_rst(last) && is_due(pipe, last) ? last->end : 0;
}

/* Puts bytes behind those that are there. */
static int append(struct memory_pipe *pipe, const uv_buf_t *bufs, unsigned count, size_t max) {
  size_t size = pipe->written_size + pipe->waiting_size;
  char *written = realloc(pipe->written, size + max + 1);
  if (!written) return UV_ENOMEM;
  pipe->written = written;
  for (unsigned i = 0; i < count && max > 0; i++) {
    size_t part = bufs[i].len < max ? bufs[i].len : max;
    memcpy(written + size, bufs[i].base, part);
    size += part;
    max -= part;
  }
  return 0;
}

static size_t total(const uv_buf_t *bufs, unsigned count) {
  size_t size = 0;
  for (unsigned i = 0; i < count; i++) size += bufs[i].len;
  return size;
}

static ssize_t memory_write_now(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  struct memory_pipe *pipe = pipe_of(self);
  int rc = pipe->settings.write_error ? pipe->settings.write_error : memory_error(self);
  size_t size = total(bufs, count);
  size_t left = memory_window_left(pipe, pipe->written_size);
  if (size > left) size = left;
  if (rc == 0) rc = append(pipe, bufs, count, size);
  if (rc < 0) return rc;
  pipe->written_size += size;
  memory_tell_change(pipe);
  return (ssize_t)size;
}

static int memory_write(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  struct memory_pipe *pipe = pipe_of(self);
  size_t size = total(bufs, count);
  int rc = append(pipe, bufs, count, size);
  if (rc < 0) return rc;
  pipe->waiting_size = size;
  memory_admit(pipe);
  memory_tell_change(pipe);
  memory_go_on(pipe);
  return 0;
}

static int memory_do_finish(struct transport *self) {
  struct memory_pipe *pipe = pipe_of(self);
  int rc = pipe->settings.finish_error ? pipe->settings.finish_error : memory_error(self);
  if (rc == 0 && !pipe->settings.is_lost) pipe->seen.finished = true;
  memory_tell_change(pipe);
  return rc;
}

static size_t memory_unread(const struct transport *self) {
  const struct memory_pipe *pipe = pipe_of(self);
  size_t size = 0;
  const struct list *head = &pipe->arrivals;
  for (const struct list *link = head->next; link != head; link = link->next) {
    const struct arrival *arrival = LIST_ELEMENT(link, struct arrival, link);
    if (is_due(pipe, arrival)) size += arrival->size - arrival->start;
  }
  return size;
}

static size_t memory_unacknowledged(const struct transport *self) {
  return pipe_of(self)->written_size + pipe_of(self)->waiting_size;
}

static void end_pipe(struct memory_pipe *pipe, bool with_rst) {
  if (!pipe->settings.is_lost) {
    pipe->seen.reset = with_rst;
    if (!with_rst) pipe->seen.finished = true;
  }
  pipe->is_read = pipe->is_opening = false;
  pipe->waiting_size = 0;
  memory_drop_arrivals(pipe);
  pipe->news = NEWS_CLOSED;
  memory_tell_change(pipe);
  memory_go_on(pipe);
}

static void memory_close(struct transport *self) {
  end_pipe(pipe_of(self), memory_unread(self) > 0);
}

static void memory_do_reset(struct transport *self) {
  end_pipe(pipe_of(self), true);
}

static int give_name(const struct sockaddr_storage *name, struct sockaddr *out, socklen_t *size) {
  if (name->ss_family == AF_UNSPEC) return UV_ENOTSUP;
  const struct sockaddr_un *unix_name = (const struct sockaddr_un *)name;
  bool is_unnamed =
      name->ss_family == AF_UNIX && !unix_name->sun_path[0] && !unix_name->sun_path[1];
  socklen_t own = is_unnamed ? offsetof(struct sockaddr_un, sun_path)
                             : address_size((const struct sockaddr *)name);
  if (own < *size) *size = own;
  memcpy(out, name, *size);
  return 0;
}

static int memory_local(const struct transport *self, struct sockaddr *out, socklen_t *size) {
  return give_name(&pipe_of(self)->local, out, size);
}

static int memory_peer(const struct transport *self, struct sockaddr *out, socklen_t *size) {
  return give_name(&pipe_of(self)->peer, out, size);
}

size_t memory_size(void) {
  return sizeof(struct memory);
}

void memory_init(struct transport *self, struct transport *above, struct memory_pipe *pipe) {
  static const struct transport_facts facts = {
      .error = memory_error, .local = memory_local, .peer = memory_peer};
  static const struct transport_ops ops = {
      .facts = &facts,
      .set_above = memory_set_above,
      .open = memory_open,
      .read_start = memory_read_start,
      .read_stop = memory_read_stop,
      .write_now = memory_write_now,
      .write = memory_write,
      .finish = memory_do_finish,
      .reset = memory_do_reset,
      .close = memory_close,
      .unread = memory_unread,
      .unacknowledged = memory_unacknowledged,
  };
  struct memory *memory = (struct memory *)self;
  *memory = (struct memory){.transport = {&ops}, .above = above, .pipe = pipe};
  pipe->end = memory;
}
