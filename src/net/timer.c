/* net/timer.c — a timer of the loop, precise to the millisecond. Knows libuv, not Lua. */
#include "net/timer.h"

#include "net/clock.h"
#include "net/loop.h"

#include <stdlib.h>

struct net_timer {
  struct clock_timer clock;
  void (*on_fire)(void *owner);
  void *owner;
};

static void timer_on_fire(struct clock_timer *clock) {
  struct net_timer *timer = (struct net_timer *)clock;
  timer->on_fire(timer->owner);
}

/* libuv's clock stands still during a turn, and counts whole milliseconds: with what it lags behind,
 * and one more, no timer is early. */
static uint64_t lag_ms(const struct net_loop *loop) {
  uint64_t now_ms = net_loop_now_ns(loop) / 1000000;
  return net_loop_is_simulated(loop) ? 0 : now_ms - net_loop_now_ms(loop) + 1;
}

struct net_timer *net_timer_open(struct net_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                                 void (*on_fire)(void *owner), void *owner) {
  struct net_timer *timer = malloc(sizeof *timer);
  if (!timer) return NULL;
  timer->on_fire = on_fire;
  timer->owner = owner;
  clock_timer_init(&timer->clock, loop, timer_on_fire);
  clock_timer_start(&timer->clock, delay_ms + lag_ms(loop), repeat_ms);
  return timer;
}

static void timer_on_closed(struct clock_timer *clock) {
  free(clock);
}

void net_timer_close(struct net_timer *timer) {
  clock_timer_close(&timer->clock, timer_on_closed);
}
