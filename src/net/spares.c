/* net/spares.c — descriptors that are kept back for who must get in when there are none left. */
#include "base/platform.h"
#include "net/loop_state.h"

#include <unistd.h>

bool net_loop_refill_spares(struct net_loop *loop) {
  while (loop->spare_count < loop->spares_wanted) {
    int fd = platform_spare();
    if (fd < 0) return false;
    loop->spares[loop->spare_count++] = fd;
  }
  return true;
}

void net_loop_keep_spares(struct net_loop *loop) {
  loop->spares_wanted = SPARES;
  (void)net_loop_refill_spares(loop);
}

bool net_loop_lend_spare(struct net_loop *loop) {
  if (loop->spare_count == 0) return false;
  close(loop->spares[--loop->spare_count]);
  return true;
}

void net_loop_lend_spares(struct net_loop *loop, unsigned count) {
  while (count-- > 0 && net_loop_lend_spare(loop)) continue;
}

void net_loop_close_spares(struct net_loop *loop) {
  loop->spares_wanted = 0;
  while (net_loop_lend_spare(loop)) continue;
}
