/* net/loop.c — what all of net/ asks the loop for. Knows nothing that hangs off it. */
#include "net/loop_state.h"

#include <assert.h>

enum { TRIM_LOOK_MS = 500 };

void net_loop_turn(struct net_loop *loop, bool may_wait) {
  if (loop->ready) {
    loop->run_turn(loop, may_wait);
  } else {
    uv_run(&loop->uv, may_wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
  }
}

void net_loop_run(struct net_loop *loop) {
  if (!loop->ready) {
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return;
  }
  while (!loop->is_stopped && uv_loop_alive(&loop->uv)) loop->run_turn(loop, true);
  loop->is_stopped = false;
}

void net_loop_stop(struct net_loop *loop) {
  if (loop->ready) {
    loop->is_stopped = true;
  } else {
    uv_stop(&loop->uv);
  }
}

static void on_prepare(uv_prepare_t *prepare) {
  struct net_loop *loop = prepare->data;
  loop->before_wait(loop->before_wait_context);
}

void net_loop_before_wait(struct net_loop *loop, void (*before_wait)(void *context),
                          void *context) {
  loop->before_wait = before_wait;
  loop->before_wait_context = context;
  loop->prepare.data = loop;
  if (loop->ready) return;
  uv_prepare_stop(&loop->prepare);
  if (before_wait) uv_prepare_start(&loop->prepare, on_prepare); /* both always 0 */
}

bool net_loop_is_simulated(const struct net_loop *loop) {
  return loop->is_simulated;
}

uv_loop_t *net_loop_uv(struct net_loop *loop) {
  return &loop->uv;
}

struct tap *net_loop_tap(struct net_loop *loop) {
  return &loop->tap;
}

void net_loop_number_next(struct net_loop *loop, uint64_t id) {
  assert(loop->is_simulated);
  loop->conn_id_last = id - 1;
}

void net_loop_trim_soon(struct net_loop *loop) {
  if (clock_timer_runs(&loop->trim_timer)) return;
  clock_timer_start(&loop->trim_timer, TRIM_LOOK_MS, TRIM_LOOK_MS);
}
