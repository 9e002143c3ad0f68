/* master/look.c — which workers serve, and what is done about those that do not. */
#include "base/log.h"
#include "master/keeper.h"
#include "master/state.h"

#include <stdio.h>
#include <string.h>

/* Who is silent for so long gets no new connections where others are there for them. */
enum { AWAY_MS = 3000 };

static bool serves(const struct master *master, unsigned index) {
  const struct child *child = &master->children[index];
  return child->pid > 0 && child->is_ready && !child->is_stopped && child->silent_ms < AWAY_MS &&
         atomic_load(&master->page->slots[index].phase) == WORKER_SERVING;
}

void master_arrange(struct master *master) {
  uint64_t serving = 0;
  int orders[WORKERS_MAX];
  if (master->is_ending || !master->is_ready || succession_is_held(master)) return;
  for (unsigned i = 0; i < master->count; i++) {
    orders[i] = master->children[i].orders_fd;
    const bool is_there = serves(master, i);
    if (is_there) serving |= UINT64_C(1) << i;
    atomic_store(&master->page->slots[i].is_away, !is_there);
  }
  const int error = keeper_arrange(master->keeper, serving, orders);
  if (error == 0 || master->was_unsteered) return;
  master->was_unsteered = true; /* once */
  log_printf(master->options->log, LOG_DEBUG,
             "this kernel spreads connections over workers by its own hash: %s", strerror(error));
}

/* The master may have been frozen, too, as containers are: of a long gap only one look counts. */
static void listen_to(struct master *master, unsigned index, uint64_t passed_ms) {
  struct child *child = &master->children[index];
  const uint64_t heard_ms =
      atomic_load_explicit(&master->page->slots[index].heard_ms, memory_order_relaxed);
  /* One that starts again beats after each script; of the first start nothing is served that it holds up. */
  const bool is_watched = child->pid > 0 && child->was_ready && !child->is_stopped;
  if (heard_ms != child->heard_ms || !is_watched)
    child->silent_ms = 0;
  else
    child->silent_ms += passed_ms < LOOK_MS ? passed_ms : LOOK_MS;
  child->heard_ms = heard_ms;
}

static void kill_stuck(struct master *master, unsigned index) {
  struct child *child = &master->children[index];
  const int64_t bound_ms = master->options->stuck_ms;
  if (bound_ms == 0 || child->silent_ms < (uint64_t)bound_ms) return;
  log_printf(master->options->log, LOG_ERROR,
             "worker %u (process %ld) is killed: its loop has not turned for %.3g s (--stuck)",
             index + 1, (long)child->pid, (double)child->silent_ms / 1000);
  child->silent_ms = 0; /* once */
  (void)kill(child->pid, SIGKILL);
}

static void sweep(struct master *master, unsigned index, uint64_t now) {
  struct child *child = &master->children[index];
  if (child->sweep_ms == 0 || now < child->sweep_ms || master->upgrade) return;
  child->sweep_ms = 0;
  keeper_sweep(master->keeper, index + 1);
}

void master_tell_ready(const struct master *master) {
  char status[NOTIFY_STATUS_BYTES];
  snprintf(status, sizeof status, "serving with %u workers", master->count);
  notify_ready(&master->notify, status);
}

uint64_t master_alive_due_ms(const struct master *master) {
  const uint64_t every_ms = notify_alive_ms(&master->notify);
  const bool is_heard = master->is_ready && master->successor == 0 && !succession_is_held(master);
  return every_ms > 0 && is_heard ? master->alive_ms + every_ms : UINT64_MAX;
}

void master_look(struct master *master) {
  const uint64_t now = worker_now_ms();
  const uint64_t passed_ms = now - master->looked_ms;
  master->looked_ms = now;
  for (unsigned i = 0; i < master->count; i++) {
    listen_to(master, i, passed_ms);
    kill_stuck(master, i);
    sweep(master, i, now);
  }
  master_arrange(master);
}
