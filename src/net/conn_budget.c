/* net/conn_budget.c — bounds what connections have queued together. Knows no owner.
 *
 * Above a connection's own limit there is that of its script, and that of the loop. When one is
 * passed, the longest queue goes: its peer is the one that takes least, whoever it was that sent
 * last. A broadcast counts once, however many wait for it. */
#include "net/conn_state.h"

#include "base/heap.h"
#include "net/loop_state.h"

enum { TRIM_BYTES_MIN = 1024 * 1024 }; /* what is worth to be given back to the system */

/* The longest queue of `budget`, or with NULL of all; NULL when nothing waits. */
static struct conn *longest_queue(const struct net_loop *loop, const struct conn_budget *budget) {
  struct conn *longest = NULL;
  const struct list *head = &loop->waiting;
  for (const struct list *link = head->next; link != head; link = link->next) {
    struct conn *conn = LIST_ELEMENT(link, struct writing, link)->conn;
    const struct conn_budget *its = conn->group->budget;
    if (!its || (budget && its != budget)) continue;
    if (!longest || conn_queue_bytes(conn) > conn_queue_bytes(longest)) longest = conn;
  }
  return longest;
}

static void end_longest(struct net_loop *loop, const struct conn_budget *budget) {
  struct conn *conn = longest_queue(loop, budget);
  if (!conn) return;
  struct conn_budget *its = conn->group->budget;
  its->closed++;
  its->on_excess(its->owner, conn, budget ? CONN_BOUND_BUDGET : CONN_BOUND_LOOP);
  conn_reset(conn, REASON_WRITE_QUEUE);
}

/* Of those who queued nothing more since the last look: an owner who goes on needs no telling. */
static void tell_fallen(struct net_loop *loop) {
  struct list *link = loop->crowded.next;
  while (link != &loop->crowded) {
    struct conn_budget *budget = LIST_ELEMENT(link, struct conn_budget, crowded);
    link = link->next;
    bool is_quiet = !budget->is_used;
    budget->is_used = false;
    if (!is_quiet || budget->account.bytes > budget->peak / 8) continue;
    list_remove(&budget->crowded);
    budget->peak = 0;
    budget->on_fall(budget->owner);
  }
}

bool conn_trim_outputs(struct net_loop *loop) {
  size_t bytes = loop->output.bytes;
  if (bytes <= loop->output_peak / 8) {
    loop->output_peak = bytes;
    heap_trim(); /* else it would keep what a crowd of slow peers took, for ever */
  }
  tell_fallen(loop);
  return loop->output_peak >= TRIM_BYTES_MIN || !list_empty(&loop->crowded);
}

static void note_peak(struct net_loop *loop, struct conn_budget *budget) {
  budget->is_used = true;
  if (budget->account.bytes > budget->peak) budget->peak = budget->account.bytes;
  if (budget->peak >= TRIM_BYTES_MIN && list_empty(&budget->crowded)) {
    list_append(&loop->crowded, &budget->crowded);
  }
  if (loop->output.bytes <= loop->output_peak) return;
  loop->output_peak = loop->output.bytes;
  if (loop->output_peak >= TRIM_BYTES_MIN) net_loop_trim_soon(loop);
}

void conn_keep_budget(struct conn *conn) {
  struct net_loop *loop = conn->group->loop;
  struct conn_budget *budget = conn->group->budget;
  if (!budget) return;
  note_peak(loop, budget);
  if (budget->bytes_max && budget->account.bytes > budget->bytes_max) end_longest(loop, budget);
  if (loop->output_max && loop->output.bytes > loop->output_max) end_longest(loop, NULL);
}

struct blob_account *net_loop_output(struct net_loop *loop) {
  return &loop->output;
}

void net_loop_bound_output(struct net_loop *loop, size_t bytes_max) {
  loop->output_max = bytes_max;
}
