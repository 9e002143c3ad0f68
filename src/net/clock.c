/* net/clock.c — a loop's time, and timers that go by it: libuv's, or one that is moved by hand.
 *
 * By hand: time stands still while anything is left to be done, and then goes straight to the next
 * timer. Nothing waits, so an hour takes no longer than what happens in it. What is put off to the
 * next turn is a list of our own (net/defer.c), and costs no system call. */
#include "net/clock.h"

#include "net/defer.h"
#include "net/loop_state.h"

#include <assert.h>

/* --- Time ------------------------------------------------------------------------------------ */

uint64_t net_loop_now_ms(const struct net_loop *loop) {
  if (loop->is_simulated) return loop->now_ms;
  uint64_t turn_ms = loop->uv.time; /* uv_now(), without a call: each message asks */
  return turn_ms > loop->now_ms ? turn_ms : loop->now_ms;
}

uint64_t net_loop_now_ns(const struct net_loop *loop) {
  return loop->is_simulated ? loop->now_ms * 1000000 : uv_hrtime();
}

/* libuv's own clock stays where it is: moved while timers fire, it would make those that fired due
 * again, before anything is read. */
void net_loop_update_now(struct net_loop *loop) {
  if (!loop->is_simulated) loop->now_ms = uv_hrtime() / 1000000;
}

/* --- Timers ---------------------------------------------------------------------------------- */

static void clock_on_uv_timer(uv_timer_t *uv) {
  struct clock_timer *timer = LIST_ELEMENT(uv, struct clock_timer, as.uv);
  timer->on_fire(timer);
}

static void clock_on_uv_closed(uv_handle_t *uv) {
  struct clock_timer *timer = LIST_ELEMENT(uv, struct clock_timer, as.uv);
  if (timer->on_closed) timer->on_closed(timer);
}

void clock_timer_init(struct clock_timer *timer, struct net_loop *loop,
                      void (*on_fire)(struct clock_timer *timer)) {
  timer->loop = loop;
  timer->on_fire = on_fire;
  if (loop->is_simulated) {
    list_init(&timer->as.by_hand.link);
  } else {
    uv_timer_init(&loop->uv, &timer->as.uv); /* cannot fail */
  }
}

void clock_timer_unref(struct clock_timer *timer) {
  if (!timer->loop->is_simulated) uv_unref((uv_handle_t *)&timer->as.uv);
}

/* Behind those that are due at the same time. */
static void put_in_order(struct clock_timer *timer, uint64_t due_ms) {
  struct list *timers = &timer->loop->timers;
  struct list *before = timers->prev;
  while (before != timers &&
         LIST_ELEMENT(before, struct clock_timer, as.by_hand.link)->as.by_hand.due_ms > due_ms) {
    before = before->prev;
  }
  timer->as.by_hand.due_ms = due_ms;
  list_append(before->next, &timer->as.by_hand.link);
}

void clock_timer_start(struct clock_timer *timer, uint64_t delay_ms, uint64_t repeat_ms) {
  struct net_loop *loop = timer->loop;
  if (!loop->is_simulated) {
    uint64_t ahead_ms = net_loop_now_ms(loop) - uv_now(&loop->uv);
    int rc = uv_timer_start(&timer->as.uv, clock_on_uv_timer, delay_ms + ahead_ms, repeat_ms);
    assert(rc == 0); /* fails only on a closing handle */
    (void)rc;
    return;
  }
  list_remove(&timer->as.by_hand.link);
  timer->as.by_hand.repeat_ms = repeat_ms;
  put_in_order(timer, loop->now_ms + (delay_ms > 0 ? delay_ms : 1)); /* what is due is over soon */
}

void clock_timer_stop(struct clock_timer *timer) {
  if (timer->loop->is_simulated) {
    list_remove(&timer->as.by_hand.link);
  } else {
    uv_timer_stop(&timer->as.uv);
  }
}

bool clock_timer_runs(const struct clock_timer *timer) {
  if (timer->loop->is_simulated) return !list_empty(&timer->as.by_hand.link);
  return uv_is_active((const uv_handle_t *)&timer->as.uv);
}

void clock_timer_close(struct clock_timer *timer, void (*on_closed)(struct clock_timer *timer)) {
  timer->on_closed = on_closed;
  if (!timer->loop->is_simulated) {
    uv_close((uv_handle_t *)&timer->as.uv, clock_on_uv_closed);
    return;
  }
  list_remove(&timer->as.by_hand.link);
  if (on_closed) on_closed(timer);
}

/* --- By hand --------------------------------------------------------------------------------- */

static struct clock_timer *first_timer(const struct net_loop *loop) {
  bool is_none = list_empty(&loop->timers);
  return is_none ? NULL : LIST_ELEMENT(loop->timers.next, struct clock_timer, as.by_hand.link);
}

/* What of libuv itself is left to do now: handles that close, and whoever brought others. */
static bool has_turn(struct net_loop *loop) {
  return uv_loop_alive(&loop->uv) && uv_backend_timeout(&loop->uv) == 0;
}

bool net_loop_settle(struct net_loop *loop, uint64_t steps_max) {
  for (uint64_t steps = 0; steps < steps_max; steps++) {
    if (net_defer_run_first(loop)) continue;
    if (!has_turn(loop)) return true;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
  }
  return false;
}

uint64_t net_loop_next_ms(const struct net_loop *loop) {
  const struct clock_timer *timer = first_timer(loop);
  return timer ? timer->as.by_hand.due_ms : NET_NEVER;
}

/* All that are due at the same time, in the order in which they were started. */
static void fire(struct net_loop *loop) {
  struct clock_timer *timer;
  while ((timer = first_timer(loop)) && timer->as.by_hand.due_ms <= loop->now_ms) {
    list_remove(&timer->as.by_hand.link);
    if (timer->as.by_hand.repeat_ms > 0)
      put_in_order(timer, loop->now_ms + timer->as.by_hand.repeat_ms);
    timer->on_fire(timer);
  }
}

bool net_loop_advance(struct net_loop *loop, uint64_t ms, uint64_t steps_max) {
  uint64_t end_ms = loop->now_ms + ms;
  if (!net_loop_settle(loop, steps_max)) return false;
  while (net_loop_next_ms(loop) <= end_ms) {
    loop->now_ms = net_loop_next_ms(loop);
    fire(loop);
    if (!net_loop_settle(loop, steps_max)) return false;
  }
  loop->now_ms = end_ms;
  return true;
}
