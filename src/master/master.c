/* master/master.c — starts workers, passes signals on to them, and starts those again that end.
 *
 * It forks before there is a loop: a child of a process with one would change the parent's epoll set. It
 * keeps both ends of each socket between workers, so one that takes another's place finds what was sent to
 * it. Its own signals are blocked all the time, and read from a descriptor.
 *
 * child.c has one worker's life, answer.c what workers ask, look.c which of them serve, keeper.c their
 * sockets. */
#include "master/master.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "base/platform.h"
#include "base/signals.h"
#include "base/stand_in.h"
#include "master/homes.h"
#include "master/keeper.h"
#include "master/state.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_end(int number) {
  return number == SIGTERM || number == SIGINT || number == SIGQUIT;
}

/* All of them are to load anew, and to say so. */
static void begin_reload(struct master *master) {
  bool any = false;
  for (unsigned i = 0; i < master->count; i++) {
    struct child *child = &master->children[i];
    any = any || child->is_reloading;
    child->is_reloading = child->is_ready;
  }
  if (!any) notify_reloading(&master->notify);
}

/* The second one is another one, which means the same: a worker that has not got to the first one would take
 * two of a kind for one. */
static void take_signal(struct master *master, const struct platform_signal *info) {
  const int number = info->number;
  if (number == SIGCHLD) return;
  if (!info->is_of_terminal) upgrade_pass_on_signal(master, number);
  if (number == SIGUSR2) {
    if (master->successor == 0) upgrade_begin(master, "SIGUSR2", UPGRADE_MS, 0);
    return;
  }
  if (number == SIGUSR1) {
    log_printf(
        master->options->log, LOG_INFO,
        "SIGUSR1: ignored; SIGHUP reloads, SIGUSR2 upgrades, SIGTERM ends, and the log goes to "
        "standard error, which is not reopened");
    return;
  }
  const bool lost_terminal =
      number == SIGHUP && master->follows_terminal && !signals_have_terminal();
  if (number == SIGHUP && !lost_terminal && master->upgrade) {
    log_printf(master->options->log, LOG_WARN, "SIGHUP: no reload, for an upgrade is under way");
    return;
  }
  if (number == SIGHUP && !lost_terminal && !master->is_ending) begin_reload(master);
  if (is_end(number) || lost_terminal) {
    master->is_ending = master->was_told_to_end = true;
    atomic_fetch_add(&master->page->ends, 1);
  }
  const bool is_second = is_end(number) && atomic_load(&master->page->ends) > 1;
  /* A terminal sends its signals to the whole group, the workers included. */
  if (!info->is_of_terminal || is_second) child_signal_all(master, is_second ? SIGQUIT : number);
}

static void take_signals(struct master *master) {
  struct platform_signal info;
  const bool was_ending = master->is_ending;
  while (platform_signals_read(master->signal_fd, &info)) take_signal(master, &info);
  if (master->is_ending && !was_ending) {
    notify_stopping(&master->notify);
    children_close_sockets(master);
  }
  children_reap(master);
}

/* Until the next worker is to be started, or all are to be looked at. */
static int wait_ms(const struct master *master) {
  const uint64_t now = worker_now_ms();
  uint64_t first = master->looked_ms + LOOK_MS;
  if (upgrade_due_ms(master) < first) first = upgrade_due_ms(master);
  if (master_alive_due_ms(master) < first) first = master_alive_due_ms(master);
  for (unsigned i = 0; i < master->count && !master->is_ending; i++) {
    const struct child *child = &master->children[i];
    if (child->pid == 0 && child->due_ms < first) first = child->due_ms;
  }
  return first <= now ? 0 : (int)(first - now);
}

static bool runs(const struct master *master) {
  for (unsigned i = 0; i < master->count; i++) {
    if (master->children[i].pid > 0) return true;
  }
  return !master->is_ending;
}

/* The index of the worker that this process is now; -1: it is the master. */
static int start_due(struct master *master, struct ends *ends) {
  const uint64_t now = worker_now_ms();
  for (unsigned i = 0; i < master->count && !master->is_ending; i++) {
    const struct child *child = &master->children[i];
    if (child->pid == 0 && child->due_ms <= now && child_start(master, i, ends)) return (int)i;
  }
  return -1;
}

static int block_signals(struct master *master) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&set, numbers[i]);
  if (sigprocmask(SIG_BLOCK, &set, &master->before) < 0) return -1;
  master->signal_fd = platform_signals_open(&set);
  return master->signal_fd < 0 ? -1 : 0;
}

/* Until something happens, a worker is to be started, or it is time to look at them. */
static void await_news(struct master *master) {
  struct pollfd waits[1 + WORKERS_MAX + UPGRADE_FDS + 1] = {
      {.fd = master->signal_fd, .events = POLLIN}};
  struct pollfd *others = &waits[1 + master->count];
  for (unsigned i = 0; i < master->count; i++) {
    const struct child *child = &master->children[i];
    waits[i + 1] =
        (struct pollfd){.fd = child->pid > 0 ? child->questions_fd : -1, .events = POLLIN};
  }
  upgrade_watch(master, others);
  others[UPGRADE_FDS] = succession_watch(master);
  (void)poll(waits, 1 + master->count + UPGRADE_FDS + 1, wait_ms(master));
  for (unsigned i = 0; i < master->count; i++) {
    if (waits[i + 1].revents & POLLIN) answer_all(master, i);
  }
  upgrade_go_on(master, others);
  succession_go_on(master, &others[UPGRADE_FDS]);
  take_signals(master);
  if (worker_now_ms() - master->looked_ms >= LOOK_MS) master_look(master);
  if (worker_now_ms() >= master_alive_due_ms(master)) {
    notify_alive(&master->notify);
    master->alive_ms = worker_now_ms();
  }
}

static struct master *master_new(const struct master_options *options) {
  struct master *master = calloc(1, sizeof *master);
  if (!master) return NULL;
  master->options = options;
  master->count = options->count;
  master->begun_ms = worker_now_ms();
  master->signal_fd = master->watched = -1;
  master->place = options->handover ? options->handover->place : options->place;
  for (unsigned i = 0; i < master->count; i++)
    master->children[i].questions_fd = master->children[i].orders_fd = -1;
  master->looked_ms = worker_now_ms();
  master->follows_terminal = signals_have_terminal() && !signals_ignore_hangup();
  master->page = worker_page_new();
  master->keeper = keeper_new();
  master->homes = homes_new(options->count);
  return master;
}

static void master_free(struct master *master) {
  if (master->keeper) keeper_free(master->keeper);
  if (master->homes) homes_free(master->homes);
  worker_page_free(master->page);
  free(master);
}

/* Whoever was not told is; a supervisor, too. */
static void end_workers(struct master *master) {
  if (master->is_ending) upgrade_call_off(master);
  if (!master->is_ending || master->was_told_to_end) return;
  master->was_told_to_end = true;
  notify_stopping(&master->notify);
  children_close_sockets(master);
  child_signal_all(master, SIGTERM);
}

int master_run(const struct master_options *options) {
  struct master *master = master_new(options);
  if (!master || !master->page || !master->keeper || !master->homes) {
    log_printf(options->log, LOG_ERROR, "not enough memory to start");
    if (master) master_free(master);
    return 1;
  }
  int index = -1;
  struct ends ends;
  notify_init(&master->notify, options->log, NULL);
  succession_begin(master);
  (void)descriptors_raise((size_t)master->count * master->count); /* the mesh's, mostly */
  if (block_signals(master) < 0 || children_open(master) < 0) {
    log_printf(options->log, LOG_ERROR, "%u workers cannot be had: %s", master->count,
               strerror(errno));
    master->is_ending = true;
    master->code = 1;
  }
  while (runs(master) && (index = start_due(master, &ends)) < 0) {
    await_news(master);
    end_workers(master);
  }
  int code = index >= 0 ? child_serve(master, (unsigned)index, &ends) : master->code;
  const pid_t successor = index < 0 ? master->successor : 0;
  const int watched = master->watched;
  master_free(master);
  return successor > 0 && watched >= 0 ? stand_in_keep(watched, successor) : code;
}
