/* net/loop.c — what all of net/ asks the loop for. Knows nothing that hangs off it. */
#include "net/loop_state.h"

#include <assert.h>

enum { TRIM_LOOK_MS = 500 };

bool net_loop_is_simulated(const struct net_loop *loop) {
  return loop->is_simulated;
}

uv_loop_t *net_loop_uv(struct net_loop *loop) {
  return &loop->uv;
}

char **net_loop_room(struct net_loop *loop) {
  return &loop->read_buffer;
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
