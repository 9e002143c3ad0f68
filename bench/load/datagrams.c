/* load/datagrams.c — drives datagram sockets and checks what comes back. Knows no output.
 *
 * A socket's datagrams must come back in order and none may be lost: over loopback neither happens
 * while all that is in flight fits into the server's receive buffer, about 270 small datagrams by
 * Linux' default. A socket is read only while answers are due, so that with one datagram in flight
 * a message costs this side one recv, one send and a share of epoll_wait. */
#include "datagrams.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "pattern.h"

struct sender {
  int fd;
  uint64_t id;
  uint64_t asked;
  uint64_t answered;
  uint64_t *asked_at_ns; /* of the datagrams in flight; a ring of plan.depth */
};

struct datagrams {
  const struct load_plan *plan;
  struct load_result *result;
  struct pattern pattern;
  int epoll_fd;
  struct sender *senders; /* plan->connections of them */
  uint64_t *stamps;       /* one block behind all sender.asked_at_ns */
  uint64_t unasked;       /* datagrams that may still be sent */
  uint64_t unanswered;    /* in flight over all sockets */
  uint64_t deadline_ns;
  unsigned char buffer[DATAGRAM_BYTES_MAX + 1];
};

/* Sends as many as plan, depth and time allow. */
static void sender_ask(struct datagrams *all, struct sender *sender, uint64_t now_ns) {
  const struct load_plan *plan = all->plan;
  if (now_ns >= all->deadline_ns) all->unasked = 0;
  while (sender->asked - sender->answered < plan->depth && all->unasked > 0 &&
         !result_failed(all->result)) {
    const unsigned char *bytes =
        pattern_at(&all->pattern, sender->id, sender->asked * plan->message_bytes);
    ssize_t sent = send(sender->fd, bytes, plan->message_bytes, 0);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      result_fail(all->result, "socket %" PRIu64 ": send: %s", sender->id, strerror(errno));
      return;
    }
    sender->asked_at_ns[sender->asked++ % plan->depth] = now_ns;
    all->unasked--;
    all->unanswered++;
  }
}

/* Compares a datagram with the one that is due. */
static void sender_check(struct datagrams *all, struct sender *sender, size_t size,
                         uint64_t now_ns) {
  const struct load_plan *plan = all->plan;
  uint64_t position = sender->answered * plan->message_bytes;
  if (size != plan->message_bytes ||
      pattern_compare(&all->pattern, sender->id, position, all->buffer, size) != size) {
    result_fail(all->result,
                "socket %" PRIu64 ": answer %" PRIu64 ", of %zu bytes, is not what was sent, or a "
                "datagram before it was lost",
                sender->id, sender->answered, size);
    return;
  }
  result_answered(all->result, size, sender->asked_at_ns[sender->answered % plan->depth], now_ns);
  sender->answered++;
  all->unanswered--;
}

/* Reads what is there, if anything is due, and returns the time of the last answer, or 0. */
static uint64_t sender_read(struct datagrams *all, struct sender *sender) {
  uint64_t now_ns = 0;
  while (sender->answered < sender->asked && !result_failed(all->result)) {
    ssize_t got = recv(sender->fd, all->buffer, sizeof all->buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0) {
      result_fail(all->result, "socket %" PRIu64 ": recv: %s", sender->id, strerror(errno));
      break;
    }
    now_ns = clock_ns();
    sender_check(all, sender, (size_t)got, now_ns);
  }
  return now_ns;
}

static void turn(struct datagrams *all) {
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(all->epoll_fd, events, EVENTS_MAX, SILENCE_MS);
  if (count == 0)
    result_fail(all->result, "no answer for %d s: %" PRIu64 " datagrams in flight or lost",
                SILENCE_MS / 1000, all->unanswered);
  if (count < 0 && errno != EINTR) result_fail(all->result, "epoll_wait: %s", strerror(errno));
  for (int i = 0; i < count && !result_failed(all->result); i++) {
    struct sender *sender = events[i].data.ptr;
    uint64_t now_ns = sender_read(all, sender);
    if (now_ns != 0) sender_ask(all, sender, now_ns);
  }
}

/* All answers are here: one more would be a second copy. */
static void check_nothing_follows(struct datagrams *all) {
  for (uint32_t i = 0; i < all->plan->connections; i++)
    if (recv(all->senders[i].fd, all->buffer, sizeof all->buffer, 0) >= 0)
      result_fail(all->result, "socket %u: more came back than was sent", i);
}

static void open_all(struct datagrams *all) {
  for (uint32_t i = 0; i < all->plan->connections && !result_failed(all->result); i++) {
    struct sender *sender = &all->senders[i];
    *sender = (struct sender){.id = i,
                              .fd = target_open_datagrams(&all->plan->target),
                              .asked_at_ns = &all->stamps[(size_t)i * all->plan->depth]};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = sender};
    if (sender->fd < 0 || epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, sender->fd, &event) != 0)
      result_fail(all->result, "socket %u: %s", i, strerror(errno));
    all->result->connects++;
  }
}

static void drive(struct datagrams *all) {
  const struct load_plan *plan = all->plan;
  all->result->started_ns = clock_ns();
  if (plan->duration_ns != LOAD_UNLIMITED)
    all->deadline_ns = all->result->started_ns + plan->duration_ns;
  for (uint32_t i = 0; i < plan->connections; i++) sender_ask(all, &all->senders[i], clock_ns());
  while (all->unanswered > 0 && !result_failed(all->result)) turn(all);
  if (!result_failed(all->result)) check_nothing_follows(all);
}

static void release(struct datagrams *all) {
  if (all == NULL) return;
  for (uint64_t i = 0; all->senders != NULL && i < all->result->connects; i++)
    if (all->senders[i].fd >= 0) close(all->senders[i].fd);
  if (all->epoll_fd >= 0) close(all->epoll_fd);
  free(all->stamps);
  free(all->senders);
  free(all);
}

/* NULL when out of memory or descriptors. */
static struct datagrams *prepare(const struct load_plan *plan, struct load_result *result) {
  struct datagrams *all = calloc(1, sizeof *all);
  if (all == NULL) return NULL;
  all->plan = plan;
  all->result = result;
  all->unasked = plan->messages_max;
  all->deadline_ns = LOAD_UNLIMITED;
  all->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  all->senders = calloc(plan->connections, sizeof *all->senders);
  all->stamps = calloc((size_t)plan->connections * plan->depth, sizeof *all->stamps);
  pattern_init(&all->pattern, 0);
  if (all->epoll_fd >= 0 && all->senders != NULL && all->stamps != NULL) return all;
  release(all);
  return NULL;
}

int datagrams_run(const struct load_plan *plan, struct load_result *result) {
  struct datagrams *all = prepare(plan, result);
  if (all == NULL) {
    result_fail(result, "cannot begin: %s", strerror(errno));
    return -1;
  }
  open_all(all);
  if (!result_failed(result)) drive(all);
  release(all);
  return result_failed(result) ? -1 : 0;
}
