/* master/keeper_arrange.c — who serves the sockets of workers that do not.
 *
 * Of the sockets that share an address, those of a worker that is gone, stopped or stuck get no new
 * connections, and what is queued on them already is accepted by another worker, which is lent a
 * descriptor until the owner is back. Both may accept from it for a moment, and that is fine. */
#include "base/passing.h"
#include "base/platform.h"
#include "master/keeper_state.h"
#include "net/keep_message.h"

#include <sys/uio.h>

static bool send_order(const struct kept *kept, unsigned place, enum keep_order_kind kind,
                       int orders_fd) {
  const struct keep_order order = {.kind = kind, .id = kept->id, .place = place};
  const struct iovec part = {(void *)(uintptr_t)&order, sizeof order};
  return passing_send(orders_fd, &part, 1, -1, MSG_DONTWAIT) >= 0;
}

/* Of those that could, one after the other: no worker is to have the sockets of all that are away. */
static unsigned choose(uint64_t among, unsigned place) {
  unsigned count = (unsigned)__builtin_popcountll(among);
  for (unsigned skip = place % count; skip > 0; skip--) among &= among - 1;
  return (unsigned)__builtin_ctzll(among) + 1;
}

/* False: it did not reach whom it was for, and is to be tried again. */
static bool arrange_one(struct kept *kept, unsigned place, uint64_t serving,
                        const int *orders_fds) {
  struct kept_one *one = &kept->sockets[place];
  const bool is_served = one->owner > 0 && serving & bit_of(one->owner);
  if (one->adopter > 0 && !(serving & bit_of(one->adopter))) one->adopter = 0; /* it is away, too */
  if (is_served && one->adopter > 0) {
    if (!send_order(kept, place, ORDER_RETURN, orders_fds[one->adopter - 1])) return false;
    one->adopter = 0;
  }
  if (is_served || one->adopter > 0 || serving == 0) return true;
  const unsigned adopter = choose(serving, place);
  if (!send_order(kept, place, ORDER_ADOPT, orders_fds[adopter - 1])) return false;
  one->adopter = adopter;
  return true;
}

/* A kernel that cannot be told spreads by its own hash: those who adopt serve the rest. 0 or an errno. */
static int steer_to(struct kept *kept, uint64_t among) {
  if (among == 0 || among == kept->steered_to) return 0;
  kept->steered_to = among;
  return platform_steer(kept->sockets[0].bound.fd, kept->type, kept->count, among);
}

static int arrange(struct kept *kept, uint64_t serving, const int *orders_fds) {
  const uint64_t able = serving & kept->users & ~kept->stale & ~kept->held;
  uint64_t among = 0;
  kept->is_arranged = true;
  for (unsigned i = 0; i < kept->count; i++) {
    const unsigned owner = kept->sockets[i].owner;
    if (owner > 0 && able & bit_of(owner)) among |= UINT64_C(1) << i;
  }
  int error = steer_to(kept, among);
  for (unsigned i = 0; i < kept->count; i++)
    if (!arrange_one(kept, i, able, orders_fds)) kept->is_arranged = false;
  return error;
}

int keeper_arrange(struct keeper *keeper, uint64_t serving, const int *orders_fds) {
  const bool is_as_before = serving == keeper->serving;
  int error = 0;
  keeper->serving = serving;
  LIST_EACH (struct kept, kept, &keeper->all, link) {
    if (kept->count < 2 || (is_as_before && kept->is_arranged)) continue;
    int its = arrange(kept, serving, orders_fds);
    if (its != 0) error = its;
  }
  return error;
}
