/* net/timer.c — a timer of the loop, precise to the millisecond. Knows libuv, not Lua. */
#include "net/timer.h"

#include "net/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

struct net_timer {
  uv_timer_t uv;
  void (*on_fire)(void *owner);
  void *owner;
};

static void on_timer(uv_timer_t *uv) {
  struct net_timer *timer = uv->data;
  timer->on_fire(timer->owner);
}

struct net_timer *net_timer_open(struct net_loop *loop, uint64_t delay_ms, uint64_t repeat_ms,
                                 void (*on_fire)(void *owner), void *owner) {
  struct net_timer *timer = malloc(sizeof *timer);
  if (!timer) return NULL;
  timer->on_fire = on_fire;
  timer->owner = owner;
  /* The loop's clock stands still during a turn, and counts whole milliseconds: with what it lags
   * behind, and one more, no timer is early. Moving the clock would make other timers due within
   * this very turn, again and again. */
  uint64_t lag_ms = uv_hrtime() / 1000000 - uv_now(net_loop_uv(loop));
  uv_timer_init(net_loop_uv(loop), &timer->uv);
  timer->uv.data = timer;
  int rc = uv_timer_start(&timer->uv, on_timer, delay_ms + lag_ms + 1, repeat_ms);
  assert(rc == 0); /* fails only on a closing handle */
  (void)rc;
  return timer;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void net_timer_close(struct net_timer *timer) {
  uv_close((uv_handle_t *)&timer->uv, on_closed);
}
