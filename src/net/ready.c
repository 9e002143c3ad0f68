/* net/ready.c — a loop's turn around an epoll set of our own, in which libuv's is one descriptor.
 *
 * What libuv does for sockets costs calls and walks that they need not: here one epoll_wait() names
 * all that is ready, and each of those gets a turn, first come, first served. libuv keeps what happens
 * seldom: timers, names, files, processes, signals, listeners. It runs when its descriptor is ready or
 * uv_backend_timeout() says that something is due. Of both, only public functions are used. */
#include "net/ready.h"

#include "net/loop_state.h"
#include "net/transport/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
  EVENTS_MAX = 1024, /* what one look brings, as libuv's does */
  TURNS_MAX = 1024,  /* given before the next look */
  NS_PER_MS = 1000 * 1000,
};

struct ready_set {
  int epoll;
  int alarm;         /* a timerfd, which wakes us for the next timer; -1: there is none */
  uint64_t alarm_ms; /* when, in libuv's time; 0: it has rung */
  uint64_t rung_ms;  /* when it did so last */
  struct list asked; /* who has a turn to come, the first one first */
  size_t asked_count;
  struct list ending; /* whose next turn is the last */
  size_t kept;        /* for how many the loop is to run on */
  uv_check_t keeper;  /* does so, as libuv sees it: referenced while there are any */
  uv_pipe_t reserve;  /* from its first stream on libuv keeps a descriptor: from here on, then */
};

/* --- The set --------------------------------------------------------------------------------- */

static int control(struct net_loop *loop, int operation, int fd, uint32_t events, void *ready) {
  struct epoll_event event = {.events = events, .data.ptr = ready};
  int rc = epoll_ctl(loop->ready->epoll, operation, fd, &event);
  return rc < 0 ? uv_translate_sys_error(errno) : 0;
}

void ready_init(struct ready *ready, void (*on_turn)(struct ready *self)) {
  ready->on_turn = on_turn;
  ready->events = 0;
  list_init(&ready->link);
}

int ready_watch(struct net_loop *loop, struct ready *ready, int fd, uint32_t events) {
  return control(loop, EPOLL_CTL_ADD, fd, events, ready);
}

int ready_watch_again(struct net_loop *loop, struct ready *ready, int fd, uint32_t events) {
  return control(loop, EPOLL_CTL_MOD, fd, events, ready);
}

void ready_unwatch(struct net_loop *loop, int fd) {
  (void)control(loop, EPOLL_CTL_DEL, fd, 0, NULL); /* fails when it was never watched */
}

void ready_ask(struct net_loop *loop, struct ready *ready) {
  if (!list_empty(&ready->link)) return;
  list_append(&loop->ready->asked, &ready->link);
  loop->ready->asked_count++;
}

void ready_end(struct net_loop *loop, struct ready *ready) {
  if (!list_empty(&ready->link)) {
    list_remove(&ready->link);
    loop->ready->asked_count--;
  }
  list_append(&loop->ready->ending, &ready->link);
}

void ready_keep(struct net_loop *loop, int change) {
  struct ready_set *set = loop->ready;
  bool was_kept = set->kept > 0;
  set->kept += (size_t)change;
  if (was_kept == (set->kept > 0)) return;
  if (was_kept) {
    uv_unref((uv_handle_t *)&set->keeper);
  } else {
    uv_ref((uv_handle_t *)&set->keeper);
  }
}

/* --- A turn ---------------------------------------------------------------------------------- */

/* Sets the alarm to that moment, unless it rings earlier. False: it cannot wake us then. */
static bool set_alarm(struct ready_set *set, uint64_t due_ms) {
  if (set->alarm_ms != 0 && set->alarm_ms <= due_ms) return true;
  if (set->alarm < 0 || due_ms == set->rung_ms) return false; /* libuv's clock may be behind */
  const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due_ms / 1000),
                                             .tv_nsec = (long)(due_ms % 1000) * NS_PER_MS}};
  if (timerfd_settime(set->alarm, TFD_TIMER_ABSTIME, &at, NULL) < 0) return false;
  set->alarm_ms = due_ms;
  return true;
}

/* libuv's clock stands where it stood when it looked last; what waits for a timer asks anew. A time
 * to wait for makes each epoll_wait() program the processor's timer, and take that back, which with a
 * timer that is due soon costs a fifth of a small echo; an alarm is set once for many of them. */
static int wait_ms(struct net_loop *loop) {
  if (loop->ready->asked_count > 0 || !list_empty(&loop->ready->ending)) return 0;
  int wait_ms = uv_backend_timeout(&loop->uv);
  if (wait_ms <= 0) return wait_ms;
  uv_update_time(&loop->uv);
  wait_ms = uv_backend_timeout(&loop->uv);
  if (wait_ms <= 0) return wait_ms;
  return set_alarm(loop->ready, uv_now(&loop->uv) + (uint64_t)wait_ms) ? -1 : wait_ms;
}

/* Whether libuv's descriptor is ready. */
static bool look(struct net_loop *loop, int timeout_ms) {
  struct epoll_event events[EVENTS_MAX];
  struct ready_set *set = loop->ready;
  bool is_for_uv = false;
  int count = epoll_wait(set->epoll, events, EVENTS_MAX, timeout_ms);
  uv_update_time(&loop->uv);
  for (int i = 0; i < count; i++) {
    struct ready *ready = events[i].data.ptr;
    if (events[i].data.ptr == &set->alarm) {
      set->rung_ms = set->alarm_ms;
      set->alarm_ms = 0;
    } else if (ready) {
      ready->events |= events[i].events;
      ready_ask(loop, ready);
    } else {
      is_for_uv = true;
    }
  }
  if (count == EVENTS_MAX) turn_cut_short(&loop->turn); /* there may be more */
  return is_for_uv;
}

static void give_turn(struct list *list) {
  struct ready *ready = LIST_ELEMENT(list->next, struct ready, link);
  list_remove(&ready->link);
  ready->on_turn(ready);
}

/* Those that end do so in the turn of the loop in which they were closed, before any timer fires. */
static void give_turns(struct net_loop *loop) {
  struct ready_set *set = loop->ready;
  size_t turns = set->asked_count;
  if (turns > TURNS_MAX) {
    turns = TURNS_MAX;
    turn_cut_short(&loop->turn);
  }
  turn_begin(&loop->turn, turns);
  while (turns-- > 0 && !list_empty(&set->asked)) { /* some of them may have ended */
    set->asked_count--;
    give_turn(&set->asked);
  }
  loop->sockets->tell_staged(loop);
  struct list ending;
  list_take(&ending, &set->ending);
  while (!list_empty(&ending)) give_turn(&ending);
}

static void run_turn(struct net_loop *loop, bool may_wait) {
  if (loop->before_wait) loop->before_wait(loop->before_wait_context);
  bool is_for_uv = look(loop, may_wait ? wait_ms(loop) : 0);
  give_turns(loop);
  if (is_for_uv || uv_backend_timeout(&loop->uv) == 0) uv_run(&loop->uv, UV_RUN_NOWAIT);
  turn_end(&loop->turn);
}

/* --- Making it ------------------------------------------------------------------------------ */

static void nothing(uv_check_t *keeper) {
  (void)keeper;
}

static void free_set(struct net_loop *loop) {
  if (loop->ready->alarm >= 0) close(loop->ready->alarm);
  if (loop->ready->epoll >= 0) close(loop->ready->epoll);
  free(loop->ready);
  loop->ready = NULL;
}

/* Without one, each wait has its time. Edge by edge, so that it need not be read. */
static void open_alarm(struct net_loop *loop) {
  struct ready_set *set = loop->ready;
  set->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (set->alarm < 0) return;
  if (control(loop, EPOLL_CTL_ADD, set->alarm, EPOLLIN | EPOLLET, &set->alarm) == 0) return;
  close(set->alarm);
  set->alarm = -1;
}

bool ready_set_open(struct net_loop *loop) {
  struct ready_set *set = loop->ready = calloc(1, sizeof *set);
  if (!set) return false;
  set->alarm = -1;
  set->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (set->epoll < 0 || control(loop, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv), EPOLLIN, NULL) < 0) {
    free_set(loop);
    return false;
  }
  open_alarm(loop);
  list_init(&set->asked);
  list_init(&set->ending);
  uv_pipe_init(&loop->uv, &set->reserve, 0); /* this and the next three cannot fail */
  uv_check_init(&loop->uv, &set->keeper);
  uv_check_start(&set->keeper, nothing);
  uv_unref((uv_handle_t *)&set->keeper);
  loop->run_turn = run_turn;
  return true;
}

void ready_set_close(struct net_loop *loop) {
  uv_close((uv_handle_t *)&loop->ready->reserve, NULL);
  uv_close((uv_handle_t *)&loop->ready->keeper, NULL);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  free_set(loop);
}
