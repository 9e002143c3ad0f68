/* load/load.c — drives connections and checks what comes back. Knows no command line, no output.
 *
 * A connection's life: opening -> shaking (TLS) -> open -> ending (our FIN is out, the server's is
 * awaited) -> closed, and, when the plan limits messages per connection, opening again. Descriptors
 * are registered once, edge-triggered for both directions, so a message costs this side one recv,
 * one send and a share of epoll_wait: the generator must not be what limits the server. */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pattern.h"

enum {
  OPENING_MAX = 128, /* handshakes at once: well below any backlog, so no SYN is dropped */
  RETRY_MS = 1,      /* until a full Unix backlog is tried again */
  PACE_MS = 1,       /* until it is looked whether a message is due */
  HOLD_LINE_BYTES = 64,
};

enum conn_state { CONN_CLOSED, CONN_OPENING, CONN_SHAKING, CONN_OPEN, CONN_ENDING };

struct conn {
  enum conn_state state;
  struct wire wire;
  uint64_t begun_ns; /* when it was begun to be opened */
  uint64_t id;       /* which stream of the pattern; a reopened connection has a new one */
  uint64_t asked;    /* messages handed to conn_write, sent or not */
  uint64_t answered; /* messages that came back whole */
  uint64_t sent_bytes;
  uint64_t received_bytes;
  bool greeted;          /* where messages are broadcast: the server knows of it */
  uint64_t *asked_at_ns; /* of the messages in flight; a ring of plan.depth */
};

struct load {
  struct load_plan plan;
  struct load_result result;
  struct pattern pattern;
  int epoll_fd;
  struct wires *wires;
  struct conn *conns; /* plan.connections of them */
  uint64_t *stamps;   /* one block behind all conn.asked_at_ns */
  uint32_t *to_open;  /* a stack of indexes of connections that shall be opened */
  uint32_t to_open_count;
  uint32_t opening;    /* connections in CONN_OPENING or CONN_SHAKING */
  uint32_t greeted;    /* connections that are */
  uint32_t live;       /* connections that are not CONN_CLOSED */
  uint64_t unasked;    /* messages that may still be sent */
  uint64_t unanswered; /* messages in flight over all connections */
  uint64_t deadline_ns;
  uint64_t due_ns;    /* with an interval: when the next message is to be sent */
  uint32_t due_index; /* and on which connection */
  bool finishing;     /* connections end and none is opened any more */
  bool backlog_full;
  unsigned char buffer[PATTERN_SLICE_MAX];
};

static uint64_t min_u64(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static bool failed(const struct load *load) {
  return result_failed(&load->result);
}

/* Whose messages come back on `conn`: its own, or, where they are broadcast, the first one's. */
static const struct conn *asker_of(const struct load *load, const struct conn *conn) {
  return load->plan.broadcast ? &load->conns[0] : conn;
}

/* --- one connection ------------------------------------------------------------------------- */

/* Takes the connection at `index` off the pile and begins its handshake. */
static void conn_open(struct load *load, uint32_t index) {
  struct conn *conn = &load->conns[index];
  int fd = target_connect(&load->plan.target, load->result.connects);
  if (fd < 0) {
    if (errno == EAGAIN) {
      load->backlog_full = true;
      load->to_open[load->to_open_count++] = index;
    } else {
      result_fail(&load->result, "connection %" PRIu64 ": cannot connect: %s",
                  load->result.connects, strerror(errno));
    }
    return;
  }
  *conn = (struct conn){.state = CONN_OPENING,
                        .begun_ns = clock_ns(),
                        .id = load->result.connects++,
                        .asked_at_ns = conn->asked_at_ns};
  if (!wire_init(&conn->wire, load->wires, fd)) {
    conn->state = CONN_CLOSED;
    result_fail(&load->result, "not enough memory");
    return;
  }
  load->opening++;
  load->live++;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                              .data.ptr = conn};
  if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    result_fail(&load->result, "epoll_ctl: %s", strerror(errno));
}

static void conn_close(struct load *load, struct conn *conn) {
  wire_deinit(&conn->wire);
  conn->state = CONN_CLOSED;
  load->live--;
  if (!load->finishing) load->to_open[load->to_open_count++] = (uint32_t)(conn - load->conns);
}

static void conn_end(struct load *load, struct conn *conn) {
  conn->state = CONN_ENDING;
  if (wire_finish(&conn->wire) != 0)
    result_fail(&load->result, "connection %" PRIu64 ": shutdown: %s", conn->id, wire_why(errno));
}

/* How many messages more may be in flight on `conn`. What is broadcast must have come to all. */
static uint64_t conn_room(const struct load *load, const struct conn *conn) {
  if (!load->plan.broadcast) return load->plan.depth - (conn->asked - conn->answered);
  return conn == asker_of(load, conn) && load->unanswered == 0 ? 1 : 0;
}

/* Puts as many messages in flight as plan, depth and time allow. */
static void conn_ask(struct load *load, struct conn *conn, uint64_t now_ns) {
  if (now_ns >= load->deadline_ns) load->unasked = 0;
  uint64_t count = conn_room(load, conn);
  count = min_u64(count, load->plan.per_connection_max - conn->asked);
  count = min_u64(count, load->unasked);
  for (uint64_t i = 0; i < count; i++)
    conn->asked_at_ns[(conn->asked + i) % load->plan.depth] = now_ns;
  conn->asked += count;
  load->unasked -= count;
  load->unanswered += load->plan.broadcast ? count * load->plan.connections : count;
}

static void conn_write(struct load *load, struct conn *conn) {
  uint64_t end = conn->asked * load->plan.message_bytes;
  while (conn->sent_bytes < end) {
    size_t size = (size_t)min_u64(end - conn->sent_bytes, PATTERN_SLICE_MAX);
    const unsigned char *bytes = pattern_at(&load->pattern, conn->id, conn->sent_bytes);
    ssize_t sent = wire_send(&conn->wire, bytes, size);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return; /* EPOLLOUT will call again */
    if (sent < 0) {
      result_fail(&load->result, "connection %" PRIu64 ": send: %s", conn->id, wire_why(errno));
      return;
    }
    conn->sent_bytes += (uint64_t)sent;
  }
}

/* What is due after an event: more messages, or the end. */
static void conn_advance(struct load *load, struct conn *conn, uint64_t now_ns) {
  if (conn->state != CONN_OPEN || load->result.started_ns == 0 || failed(load)) return;
  if (load->plan.interval_ns == 0) conn_ask(load, conn, now_ns);
  conn_write(load, conn);
  bool idle = asker_of(load, conn)->asked == conn->answered;
  if (idle && (load->finishing || conn->asked == load->plan.per_connection_max))
    conn_end(load, conn);
}

/* Where pauses are looked for, a connection's first message is none: it may have waited to be
 * accepted, or the kernel sent it twice because the backlog was full. */
static bool is_warm_up(const struct load *load, const struct conn *conn) {
  return load->plan.interval_ns > 0 && conn->answered == 0;
}

/* Checks bytes against the stream and counts the messages that they complete. */
static void conn_check(struct load *load, struct conn *conn, size_t size, uint64_t now_ns) {
  const struct load_plan *plan = &load->plan;
  const struct conn *asker = asker_of(load, conn);
  if (size > asker->sent_bytes - conn->received_bytes) {
    result_fail(&load->result,
                "connection %" PRIu64 ": %" PRIu64 " bytes came back, only %" PRIu64 " were sent",
                conn->id, conn->received_bytes + size, asker->sent_bytes);
    return;
  }
  size_t same =
      pattern_compare(&load->pattern, asker->id, conn->received_bytes, load->buffer, size);
  if (same < size) {
    uint64_t position = conn->received_bytes + same;
    result_fail(&load->result,
                "connection %" PRIu64 ": byte %" PRIu64 " is 0x%02x, 0x%02x was sent", conn->id,
                position, load->buffer[same], *pattern_at(&load->pattern, asker->id, position));
    return;
  }
  conn->received_bytes += size;
  while (conn->received_bytes >= (conn->answered + 1) * plan->message_bytes) {
    if (is_warm_up(load, conn))
      result_untimed(&load->result, plan->message_bytes, now_ns);
    else
      result_answered(&load->result, plan->message_bytes,
                      asker->asked_at_ns[conn->answered % plan->depth], now_ns);
    conn->answered++;
    load->unanswered--;
  }
}

/* Takes the greeting, one byte, from what came first, and returns how many bytes are left. */
static size_t conn_take_greeting(struct load *load, struct conn *conn, size_t size) {
  if (!load->plan.broadcast || conn->greeted) return size;
  if (load->buffer[0] != LOAD_GREETING)
    result_fail(&load->result, "connection %" PRIu64 ": no greeting, but 0x%02x", conn->id,
                load->buffer[0]);
  conn->greeted = true;
  load->greeted++;
  memmove(load->buffer, load->buffer + 1, size - 1);
  return size - 1;
}

/* Reads all there is. `hung_up`: the server's FIN or RST is behind the bytes, so a short read is not
 * the end. Returns the time of the last read. */
static uint64_t conn_read(struct load *load, struct conn *conn, bool hung_up) {
  uint64_t now_ns = 0;
  while (!failed(load)) {
    ssize_t got = wire_recv(&conn->wire, load->buffer, sizeof load->buffer);
    now_ns = clock_ns();
    if (got > 0) {
      conn_check(load, conn, conn_take_greeting(load, conn, (size_t)got), now_ns);
      if (!hung_up && wire_is_drained(&conn->wire, (size_t)got, sizeof load->buffer)) break;
    } else if (got == 0 && conn->state == CONN_ENDING) {
      conn_close(load, conn);
      break;
    } else if (got == 0) {
      result_fail(&load->result,
                  "connection %" PRIu64 ": closed by the server after %" PRIu64 " of %" PRIu64
                  " bytes",
                  conn->id, conn->received_bytes, conn->sent_bytes);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      result_fail(&load->result, "connection %" PRIu64 ": recv: %s", conn->id, wire_why(errno));
    }
  }
  return now_ns;
}

/* As HAProxy does: version 2, in a send of its own, and each with another client. */
static void conn_say_client(struct load *load, const struct conn *conn) {
  char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\1\x7f\0\0\1\xc3\x50\1\xbb";
  const size_t size = sizeof header - 1;
  const size_t client_at = 17; /* all but the first byte of 10.0.0.1 */
  header[client_at] = (char)(conn->id >> 16);
  header[client_at + 1] = (char)(conn->id >> 8);
  header[client_at + 2] = (char)conn->id;
  if (send(conn->wire.fd, header, size, MSG_NOSIGNAL) != (ssize_t)size)
    result_fail(&load->result, "connection %" PRIu64 ": send: %s", conn->id, strerror(errno));
}

static void conn_opened(struct load *load, struct conn *conn, uint32_t events) {
  int error = 0;
  socklen_t size = sizeof error;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    getsockopt(conn->wire.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    result_fail(&load->result, "connection %" PRIu64 ": cannot connect: %s", conn->id,
                error != 0 ? strerror(error) : "closed by the server");
    return;
  }
  conn->state = CONN_SHAKING;
  if (load->plan.proxied) conn_say_client(load, conn);
}

/* Those before the start are there so that as many are always under way, and do not count. */
static void count_handshake(struct load *load, const struct conn *conn) {
  if (!load->plan.handshakes || load->result.started_ns == 0) return;
  result_answered(&load->result, 0, conn->begun_ns, clock_ns());
  if (load->unasked > 0) load->unasked--;
}

static void conn_shake(struct load *load, struct conn *conn) {
  if (wire_shake(&conn->wire) == 0) {
    conn->state = CONN_OPEN;
    load->opening--;
    count_handshake(load, conn);
  } else if (errno != EAGAIN) {
    result_fail(&load->result, "connection %" PRIu64 ": handshake: %s", conn->id, wire_why(errno));
  }
}

static void conn_event(struct load *load, struct conn *conn, uint32_t events) {
  uint64_t now_ns = 0;
  bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (conn->state == CONN_OPENING) conn_opened(load, conn, events);
  if (conn->state == CONN_SHAKING) conn_shake(load, conn);
  /* What came behind the handshake is told by the same event. */
  if (conn->state >= CONN_OPEN && (hung_up || (events & EPOLLIN) != 0))
    now_ns = conn_read(load, conn, hung_up);
  if (now_ns == 0) now_ns = clock_ns();
  conn_advance(load, conn, now_ns);
  struct conn *first = &load->conns[0];
  if (load->plan.broadcast && conn != first && load->unanswered == 0)
    conn_advance(load, first, now_ns);
}

/* --- all of them ---------------------------------------------------------------------------- */

static void open_more(struct load *load) {
  bool wanted = load->result.started_ns == 0 || load->unasked > 0;
  load->backlog_full = false;
  while (wanted && load->to_open_count > 0 && load->opening < OPENING_MAX && !load->backlog_full &&
         !failed(load))
    conn_open(load, load->to_open[--load->to_open_count]);
}

/* Messages begin when every connection is open, and was greeted where the server greets: none has a
 * head start, and the handshakes are not part of the time. */
static void start_when_open(struct load *load) {
  if (load->result.started_ns != 0 || load->to_open_count + load->opening > 0 || failed(load))
    return;
  if (load->plan.broadcast && load->greeted < load->plan.connections) return;
  load->result.started_ns = load->due_ns = clock_ns();
  if (load->plan.duration_ns != LOAD_UNLIMITED)
    load->deadline_ns = load->result.started_ns + load->plan.duration_ns;
  for (uint32_t i = 0; i < load->plan.connections; i++)
    conn_advance(load, &load->conns[i], clock_ns());
}

/* With an interval, connections take turns, so that there is always one whose message is under way:
 * a pause of the server is found by those that fall into it. A message is timed from when it is
 * sent, which is not held up by answers to others; what this side is late does not count. */
static void ask_due(struct load *load) {
  const struct load_plan *plan = &load->plan;
  uint64_t now_ns = clock_ns();
  if (plan->interval_ns == 0 || load->result.started_ns == 0) return;
  if (now_ns >= load->deadline_ns) load->unasked = 0;
  while (load->unasked > 0 && load->due_ns <= now_ns && !failed(load)) {
    struct conn *conn = &load->conns[load->due_index];
    conn_ask(load, conn, clock_ns());
    conn_write(load, conn);
    load->due_index = (load->due_index + 1) % plan->connections;
    load->due_ns += plan->interval_ns / plan->connections;
  }
}

/* How long to wait for events. With an interval, silence is found once nothing more is sent. */
static int patience_ms(const struct load *load) {
  if (load->finishing) return SILENCE_MS;
  if (load->backlog_full) return RETRY_MS;
  bool paced = load->plan.interval_ns > 0 && load->result.started_ns != 0 && load->unasked > 0;
  return paced ? PACE_MS : SILENCE_MS;
}

/* One pass over what happened. Returns true when the descriptor without a connection (load_hold's)
 * was among it. */
static bool turn(struct load *load, int timeout_ms) {
  struct epoll_event events[EVENTS_MAX];
  bool other = false;
  int count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, timeout_ms);
  if (count == 0 && timeout_ms == SILENCE_MS)
    result_fail(&load->result,
                "no answer for %d s: %" PRIu64 " messages in flight, %u connections not yet open",
                SILENCE_MS / 1000, load->unanswered, load->to_open_count + load->opening);
  if (count < 0 && errno != EINTR) result_fail(&load->result, "epoll_wait: %s", strerror(errno));
  for (int i = 0; i < count && !failed(load); i++) {
    if (events[i].data.ptr == NULL)
      other = true;
    else
      conn_event(load, events[i].data.ptr, events[i].events);
  }
  return other;
}

int load_run(struct load *load) {
  while (!failed(load) &&
         (load->result.started_ns == 0 || load->unasked > 0 || load->unanswered > 0)) {
    open_more(load);
    start_when_open(load);
    ask_due(load);
    if (load->result.started_ns == 0 || load->unanswered > 0 || load->unasked > 0)
      turn(load, patience_ms(load));
  }
  return failed(load) ? -1 : 0;
}

int load_hold(struct load *load, int stdin_fd) {
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, stdin_fd, &event) != 0) {
    if (errno != EPERM) /* EPERM: a file or /dev/null, which is at its end already */
      result_fail(&load->result, "epoll_ctl: %s", strerror(errno));
    return failed(load) ? -1 : 0;
  }
  bool told = false;
  while (!told && !failed(load)) told = turn(load, -1);
  epoll_ctl(load->epoll_fd, EPOLL_CTL_DEL, stdin_fd, NULL);
  char line[HOLD_LINE_BYTES];
  if (told && read(stdin_fd, line, sizeof line) < 0)
    result_fail(&load->result, "standard input: %s", strerror(errno));
  return failed(load) ? -1 : 0;
}

void load_plan_again(struct load *load, uint64_t messages_max, uint64_t duration_ns) {
  uint64_t connects = load->result.connects;
  memset(&load->result, 0, sizeof load->result);
  load->result.connects = connects;
  load->plan.duration_ns = duration_ns;
  load->unasked = messages_max;
  load->deadline_ns = LOAD_UNLIMITED;
}

int load_finish(struct load *load) {
  load->finishing = true;
  for (uint32_t i = 0; i < load->plan.connections; i++)
    conn_advance(load, &load->conns[i], clock_ns());
  while (load->live > 0 && !failed(load)) turn(load, patience_ms(load));
  return failed(load) ? -1 : 0;
}

const struct load_result *load_result(const struct load *load) {
  return &load->result;
}

struct load *load_new(const struct load_plan *plan) {
  struct load *load = calloc(1, sizeof *load);
  if (load == NULL) return NULL;
  load->plan = *plan;
  load->unasked = plan->messages_max;
  load->deadline_ns = LOAD_UNLIMITED;
  load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  load->wires = wires_new(plan->wire, plan->message_bytes);
  load->conns = calloc(plan->connections, sizeof *load->conns);
  load->to_open = calloc(plan->connections, sizeof *load->to_open);
  load->stamps = calloc((size_t)plan->connections * plan->depth, sizeof *load->stamps);
  if (load->epoll_fd < 0 || load->wires == NULL || load->conns == NULL || load->to_open == NULL ||
      load->stamps == NULL) {
    load_free(load);
    return NULL;
  }
  pattern_init(&load->pattern, plan->lines ? plan->message_bytes : 0);
  for (uint32_t i = 0; i < plan->connections; i++) {
    load->conns[i].asked_at_ns = &load->stamps[(size_t)i * plan->depth];
    load->to_open[load->to_open_count++] = i;
  }
  return load;
}

void load_free(struct load *load) {
  for (uint32_t i = 0; load->conns != NULL && i < load->plan.connections; i++)
    if (load->conns[i].state != CONN_CLOSED) wire_deinit(&load->conns[i].wire);
  if (load->epoll_fd >= 0) close(load->epoll_fd);
  wires_free(load->wires);
  free(load->stamps);
  free(load->to_open);
  free(load->conns);
  free(load);
}
