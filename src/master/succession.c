/* master/succession.c — this master takes another one's place: says that it is ready when all its workers
 * are, and lets them serve when it may. */
#include "base/handover.h"
#include "base/log.h"
#include "master/keeper.h"
#include "master/state.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void succession_begin(struct master *master) {
  struct left_socket left;
  const struct master_options *options = master->options;
  if (!options->handover) return;
  if (options->handover->ignores_hangup) master->follows_terminal = false;
  atomic_store(&master->page->is_held, true);
  while (options->next_socket(options->context, &left)) {
    keeper_import(master->keeper, &left, master->count);
    left_socket_deinit(&left);
  }
}

bool succession_is_held(const struct master *master) {
  return master->page && atomic_load(&master->page->is_held);
}

void succession_on_ready(const struct master *master) {
  if (!succession_is_held(master)) return;
  (void)handover_send(master->options->handover->channel, "ready", -1);
}

struct pollfd succession_watch(const struct master *master) {
  const struct handover *handover = master->options->handover;
  return (struct pollfd){.fd = handover ? handover->channel : -1, .events = POLLIN};
}

static void take_over(struct master *master) {
  const struct master_options *options = master->options;
  if (options->on_taken_over) options->on_taken_over(options->context);
  for (unsigned i = 0; i < master->count; i++) {
    master->children[i].sweep_ms = worker_now_ms() + SWEEP_MS;
  }
  keeper_settle(master->keeper);
  atomic_store(&master->page->is_held, false);
  log_printf(options->log, LOG_INFO, "upgraded: this process serves in place of process %ld",
             options->handover->pid);
  master_tell_ready(master);
  master_arrange(master);
}

static void give_up(struct master *master) {
  log_printf(master->options->log, LOG_WARN,
             "process %ld has not let this one take its place: it ends",
             master->options->handover->pid);
  atomic_store(&master->page->is_called_off, true);
  master->is_ending = true;
  master->code = 1;
}

void succession_go_on(struct master *master, const struct pollfd *polled) {
  struct handover *handover = master->options->handover;
  char message[HANDOVER_BYTES_MAX];
  int fd = -1;
  if (!handover || handover->channel < 0 || !polled->revents) return;
  ssize_t size = handover_receive(handover->channel, false, message, &fd);
  if (fd >= 0) close(fd);
  if (size == -EAGAIN || (size > 0 && !handover_is(message, "go"))) return;
  log_watch_errors(master->options->log, NULL, NULL);
  close(handover->channel);
  handover->channel = -1;
  if (size > 0) {
    take_over(master);
  } else {
    give_up(master);
  }
}
