/* net/clock.h — timers that go by a loop's clock, libuv's or one that is moved by hand. For net/ only. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct net_loop;

/* Part of its owner, who may start it again and again. */
struct clock_timer {
  struct net_loop *loop;
  void (*on_fire)(struct clock_timer *timer);
  void (*on_closed)(struct clock_timer *timer);
  union {
    uv_timer_t uv;
    struct {
      struct list link; /* in loop->timers, while it runs */
      uint64_t due_ms;
      uint64_t repeat_ms;
    } by_hand;
  } as;
};

void clock_timer_init(struct clock_timer *timer, struct net_loop *loop,
                      void (*on_fire)(struct clock_timer *timer));
/* It does not keep the loop turning. */
void clock_timer_unref(struct clock_timer *timer);
/* Calls on_fire(), which may close it, after `delay_ms`, and then every `repeat_ms` (0: once). */
void clock_timer_start(struct clock_timer *timer, uint64_t delay_ms, uint64_t repeat_ms);
void clock_timer_stop(struct clock_timer *timer);
bool clock_timer_runs(const struct clock_timer *timer);
/* `on_closed` may free it, now or in a later turn; NULL: nobody wants to know. */
void clock_timer_close(struct clock_timer *timer, void (*on_closed)(struct clock_timer *timer));
