/* load/burst.c — many hellos at once, and what an open connection waits. Knows no output.
 *
 * The hello is made once and sent on each connection, so that this side has next to nothing to do
 * and cannot be what holds the messages up: a server owes each of them a whole handshake's work all
 * the same. After each hello it is looked whether the message under way was answered. */
#include "burst.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pattern.h"

enum {
  OPENING_MAX = 128,   /* connects at once: well below any backlog */
  CALM_MESSAGES = 200, /* before the burst: the server has accepted all, and is warm */
};

struct burst {
  const struct load_plan *plan;
  struct load_result *result;
  struct pattern pattern;
  struct wires *wires;
  int epoll_fd;
  struct wire talk; /* the connection that is there before */
  uint64_t asked;   /* its messages */
  uint64_t asked_at_ns;
  uint64_t received_bytes;
  bool timed;     /* its messages count from now on */
  int *fds;       /* of those that send a hello */
  uint32_t begun; /* how many of them */
  uint32_t opened;
  uint32_t answered;
  bool has_burst; /* from now on what can be read is an answer */
  unsigned char hello[WIRE_HELLO_MAX];
  size_t hello_size;
  unsigned char buffer[WIRE_HELLO_MAX];
};

static bool failed(const struct burst *burst) {
  return result_failed(burst->result);
}

static void talk_ask(struct burst *burst) {
  size_t size = burst->plan->message_bytes;
  const unsigned char *bytes = pattern_at(&burst->pattern, 0, burst->asked * size);
  burst->asked_at_ns = clock_ns();
  burst->asked++;
  if (wire_send(&burst->talk, bytes, size) != (ssize_t)size)
    result_fail(burst->result, "send: %s", wire_why(errno));
}

static void talk_check(struct burst *burst, size_t size) {
  const struct load_plan *plan = burst->plan;
  if (pattern_compare(&burst->pattern, 0, burst->received_bytes, burst->buffer, size) != size)
    result_fail(burst->result, "message %" PRIu64 " did not come back as it was sent",
                burst->asked);
  burst->received_bytes += size;
  if (burst->received_bytes < burst->asked * plan->message_bytes) return;
  if (burst->timed)
    result_answered(burst->result, plan->message_bytes, burst->asked_at_ns, clock_ns());
  talk_ask(burst);
}

/* Takes what has come of the answer, and asks again after all of it. */
static void talk_read(struct burst *burst) {
  ssize_t got;
  while (!failed(burst) &&
         (got = wire_recv(&burst->talk, burst->buffer, sizeof burst->buffer)) != -1) {
    if (got == 0) result_fail(burst->result, "the connection that was there was closed");
    if (got > 0) talk_check(burst, (size_t)got);
  }
  if (!failed(burst) && errno != EAGAIN && errno != EINTR)
    result_fail(burst->result, "recv: %s", wire_why(errno));
}

/* One of the many: it is connected, or its hello was answered, perhaps by an alert. */
static void hello_event(struct burst *burst, uint32_t events) {
  if (!burst->has_burst && (events & (EPOLLERR | EPOLLHUP)) != 0)
    result_fail(burst->result, "connection %u was not accepted", burst->opened);
  if (!burst->has_burst && (events & EPOLLOUT) != 0) burst->opened++;
  if (burst->has_burst && (events & EPOLLIN) != 0) burst->answered++;
}

static void turn(struct burst *burst) {
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(burst->epoll_fd, events, EVENTS_MAX, SILENCE_MS);
  if (count == 0)
    result_fail(burst->result, "nothing for %d s: %u of %u hellos answered", SILENCE_MS / 1000,
                burst->answered, burst->plan->connections);
  for (int i = 0; i < count && !failed(burst); i++) {
    int *fd = events[i].data.ptr;
    if (fd == NULL)
      talk_read(burst);
    else
      hello_event(burst, events[i].events);
    /* The bytes stay where they are; one event for each is enough. */
    if (fd != NULL && burst->has_burst) epoll_ctl(burst->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
  }
}

static int watch(struct burst *burst, int fd, int *which) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = which};
  return epoll_ctl(burst->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void open_talk(struct burst *burst) {
  struct epoll_event event;
  int fd = target_connect(&burst->plan->target, 0);
  if (fd < 0 || !wire_init(&burst->talk, burst->wires, fd) || watch(burst, fd, NULL) != 0) {
    result_fail(burst->result, "cannot connect: %s", strerror(errno));
    return;
  }
  while (!failed(burst) && wire_shake(&burst->talk) != 0)
    if (errno != EAGAIN && errno != ENOTCONN)
      result_fail(burst->result, "handshake: %s", wire_why(errno));
    else if (epoll_wait(burst->epoll_fd, &event, 1, SILENCE_MS) == 0)
      result_fail(burst->result, "no answer to the first hello");
  burst->result->connects++;
}

static void open_one(struct burst *burst) {
  int *fd = &burst->fds[burst->begun];
  *fd = target_connect(&burst->plan->target, burst->begun + 1);
  if (*fd < 0 || watch(burst, *fd, fd) != 0)
    result_fail(burst->result, "connection %u: %s", burst->begun, strerror(errno));
  if (*fd >= 0) burst->begun++;
}

static void open_all(struct burst *burst) {
  open_talk(burst);
  while (!failed(burst) && burst->opened < burst->plan->connections) {
    if (burst->begun < burst->plan->connections && burst->begun - burst->opened < OPENING_MAX)
      open_one(burst);
    else
      turn(burst);
  }
  burst->result->connects += burst->begun;
}

static void drive(struct burst *burst) {
  burst->result->started_ns = clock_ns();
  talk_ask(burst);
  while (!failed(burst) && burst->asked < CALM_MESSAGES) turn(burst);
  burst->timed = burst->has_burst = true;
  burst->result->started_ns = clock_ns();
  for (uint32_t i = 0; i < burst->begun && !failed(burst); i++) {
    if (send(burst->fds[i], burst->hello, burst->hello_size, MSG_NOSIGNAL) < 0)
      result_fail(burst->result, "hello %u: %s", i, strerror(errno));
    talk_read(burst);
  }
  while (!failed(burst) && burst->answered < burst->begun) turn(burst);
}

static void release(struct burst *burst) {
  for (uint32_t i = 0; burst->fds && i < burst->begun; i++) close(burst->fds[i]);
  if (burst->talk.fd >= 0) wire_deinit(&burst->talk);
  if (burst->epoll_fd >= 0) close(burst->epoll_fd);
  wires_free(burst->wires);
  free(burst->fds);
  free(burst);
}

static struct burst *prepare(const struct load_plan *plan, struct load_result *result) {
  struct burst *burst = calloc(1, sizeof *burst);
  if (burst == NULL) return NULL;
  *burst = (struct burst){.plan = plan, .result = result, .talk = {.fd = -1}};
  burst->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  burst->wires = wires_new(plan->wire, 0);
  burst->fds = calloc(plan->connections, sizeof *burst->fds);
  if (burst->wires != NULL) burst->hello_size = wires_hello(burst->wires, burst->hello);
  pattern_init(&burst->pattern, 0);
  if (burst->epoll_fd >= 0 && burst->fds != NULL && burst->hello_size > 0) return burst;
  release(burst);
  return NULL;
}

int burst_run(const struct load_plan *plan, struct load_result *result) {
  struct burst *burst = prepare(plan, result);
  if (burst == NULL) {
    result_fail(result, "cannot begin: %s", strerror(errno));
    return -1;
  }
  open_all(burst);
  if (!failed(burst)) drive(burst);
  release(burst);
  return result_failed(result) ? -1 : 0;
}
