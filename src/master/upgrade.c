/* master/upgrade.c — another master takes this one's place: it is started, given the sockets, and waited
 * for. What server/upgrade.c does with a loop is done here without one; the rest is base/offering.h. */
#include "base/handover.h"
#include "base/log.h"
#include "base/offering.h"
#include "base/passing.h"
#include "base/platform.h"
#include "base/stand_in.h"
#include "master/keeper.h"
#include "master/state.h"
#include "net/keep_message.h"
#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  DIE_MS = 1000, /* after its channel has ended */
  PATH_BYTES = 1024,
  READS_MAX = 64, /* what a pipe holds: who writes without end does not keep the master */
  AWAY_MIN = 16,  /* descriptors of a child, before they are where they belong */
  EXIT_NOT_STARTED = 127,
};

struct upgrade {
  struct master *master;
  struct offering offering;
  pid_t pid;
  int channel_fd;
  int errors_fd;
  int place_ends[2]; /* made for this upgrade; -1: there is one, or need not be */
  int64_t limit_ms;
  uint64_t
      due_ms; /* it is to be ready by then, or to have ended; UINT64_MAX: as long as it takes */
};

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* --- Its end ----------------------------------------------------------------------------------- */

static void give_order(const struct master *master, unsigned number, enum keep_order_kind kind,
                       pid_t pid) {
  const struct keep_order order = {.kind = kind, .id = (uint32_t)pid};
  const struct iovec part = {(void *)(uintptr_t)&order, sizeof order};
  const struct child *child = &master->children[number - 1];
  if (child->pid <= 0) return;
  if (passing_send(child->orders_fd, &part, 1, -1, MSG_DONTWAIT) >= 0) return;
  if (kind == ORDER_LEAVE) (void)kill(child->pid, SIGTERM);
}

static void order_all(const struct master *master, enum keep_order_kind kind, pid_t pid) {
  for (unsigned number = 1; number <= master->count; number++) {
    give_order(master, number, kind, pid);
  }
}

static void free_upgrade(struct upgrade *upgrade) {
  close_fd(&upgrade->channel_fd);
  close_fd(&upgrade->errors_fd);
  close_fd(&upgrade->place_ends[1]);
  offering_deinit(&upgrade->offering);
  free(upgrade);
}

static void fail(struct upgrade *upgrade, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void fail(struct upgrade *upgrade, const char *format, ...) {
  struct master *master = upgrade->master;
  char *fault = master->page->upgrade_fault;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fault, sizeof master->page->upgrade_fault, format, arguments);
  va_end(arguments);
  log_printf(master->options->log, LOG_ERROR, "no upgrade: %s; this process goes on", fault);
  if (upgrade->pid > 0) (void)kill(upgrade->pid, SIGKILL); /* children_reap() takes it */
  if (upgrade->place_ends[0] >= 0) master->watched = -1;
  close_fd(&upgrade->place_ends[0]);
  master->upgrade = NULL;
  atomic_store(&master->page->is_upgrading, false);
  order_all(master, ORDER_UPGRADE, 0);
  free_upgrade(upgrade);
}

/* --- What the new process says ----------------------------------------------------------------- */

static void on_line(void *context, const char *line) {
  const struct upgrade *upgrade = context;
  log_printf(upgrade->master->options->log, LOG_WARN, "process %ld: %s", (long)upgrade->pid, line);
}

static void read_errors(struct upgrade *upgrade) {
  char bytes[PATH_BYTES];
  for (int i = 0; i < READS_MAX && upgrade->errors_fd >= 0; i++) {
    const ssize_t got = read(upgrade->errors_fd, bytes, sizeof bytes);
    if (got < 0) return;
    if (got == 0) close_fd(&upgrade->errors_fd);
    offering_take_text(&upgrade->offering, bytes, (size_t)got);
  }
}

static const char *words_of(struct upgrade *upgrade) {
  read_errors(upgrade);
  return offering_words(&upgrade->offering);
}

static void hand_over(struct upgrade *upgrade) {
  struct master *master = upgrade->master;
  const struct master_options *options = master->options;
  /* Before it may say that it is ready, for only the main process is listened to. */
  stand_in_announce(master->place, upgrade->pid);
  if (master->place < 0) notify_main_pid(&master->notify, upgrade->pid);
  int rc = handover_send(upgrade->channel_fd, "go", -1);
  if (rc != 0) {
    stand_in_announce(master->place, getpid());
    fail(upgrade, "process %ld was ready, and has gone (%s)", (long)upgrade->pid, strerror(rc));
    return;
  }
  log_printf(options->log, LOG_INFO, "process %ld serves now: the workers of this one drain",
             (long)upgrade->pid);
  keeper_disown(master->keeper);
  if (options->on_replaced) options->on_replaced(options->context);
  master->successor = upgrade->pid;
  if (master->watched >= 0) stand_in_begin();
  master->is_ending = master->was_told_to_end = true;
  master->upgrade = NULL;
  order_all(master, ORDER_UPGRADE, upgrade->pid);
  order_all(master, ORDER_LEAVE, upgrade->pid);
  free_upgrade(upgrade);
}

/* False: that was its end. */
static bool take_messages(struct upgrade *upgrade) {
  char message[HANDOVER_BYTES_MAX];
  int fd = -1;
  ssize_t size = handover_receive(upgrade->channel_fd, false, message, &fd);
  if (fd >= 0) close(fd);
  if (size == -EAGAIN) return true;
  if (size <= 0) { /* it mostly ends now, and then it is known how */
    close_fd(&upgrade->channel_fd);
    upgrade->due_ms = worker_now_ms() + DIE_MS;
    return true;
  }
  int rc = offering_take(&upgrade->offering, upgrade->channel_fd, message);
  if (rc < 0) fail(upgrade, "a socket could not be handed over (%s)", strerror(-rc));
  if (rc > 0) hand_over(upgrade);
  return rc == 0;
}

static void check_time(struct upgrade *upgrade) {
  if (worker_now_ms() < upgrade->due_ms) return;
  const char *words = words_of(upgrade);
  const char *glue = *words ? ": " : "";
  if (upgrade->channel_fd < 0) {
    fail(upgrade, "process %ld is no moonport that can take over%s%s", (long)upgrade->pid, glue,
         words);
  } else {
    fail(upgrade, "process %ld was not ready within %.3g s%s%s", (long)upgrade->pid,
         (double)upgrade->limit_ms / 1000, glue, words);
  }
}

void upgrade_watch(const struct master *master, struct pollfd out[UPGRADE_FDS]) {
  const struct upgrade *upgrade = master->upgrade;
  out[0] = (struct pollfd){.fd = upgrade ? upgrade->channel_fd : -1, .events = POLLIN};
  out[1] = (struct pollfd){.fd = upgrade ? upgrade->errors_fd : -1, .events = POLLIN};
}

uint64_t upgrade_due_ms(const struct master *master) {
  return master->upgrade ? master->upgrade->due_ms : UINT64_MAX;
}

void upgrade_go_on(struct master *master, const struct pollfd polled[UPGRADE_FDS]) {
  struct upgrade *upgrade = master->upgrade;
  if (!upgrade) return;
  if (polled[1].revents) read_errors(upgrade);
  if (polled[0].revents && !take_messages(upgrade)) return;
  check_time(upgrade);
}

void upgrade_on_end(struct master *master, pid_t pid, const char *how) {
  struct upgrade *upgrade = master->upgrade;
  if (upgrade && upgrade->pid == pid) {
    const char *words = words_of(upgrade);
    upgrade->pid = 0;
    fail(upgrade, "process %ld ended with %s before it was ready%s%s", (long)pid, how,
         *words ? ": " : "", words);
  } else if (pid == master->successor) {
    log_printf(master->options->log, LOG_INFO,
               "process %ld, which took this one's place, has ended with %s", (long)pid, how);
    if (master->watched >= 0) master->successor = stand_in_latest(master->watched, pid);
    if (master->successor == pid) master->watched = -1; /* there is nobody to stand in for */
  }
}

void upgrade_pass_on_signal(struct master *master, int number) {
  if (master->successor == 0 || master->watched < 0) return;
  master->successor = stand_in_latest(master->watched, master->successor);
  (void)kill(master->successor, number);
}

void upgrade_call_off(struct master *master) {
  if (master->upgrade) fail(master->upgrade, "the server ends");
}

void upgrade_forget(struct master *master) {
  if (master->upgrade) free_upgrade(master->upgrade);
  master->upgrade = NULL;
}

/* --- Its start --------------------------------------------------------------------------------- */

/* In the child. */
__attribute__((noreturn)) static void become(const struct master *master, const char *program,
                                             char *const *environment, int channel, int errors) {
  const int fds[] = {fcntl(errors, F_DUPFD, AWAY_MIN), fcntl(channel, F_DUPFD, AWAY_MIN),
                     fcntl(STDERR_FILENO, F_DUPFD, AWAY_MIN)};
  const int places[] = {STDERR_FILENO, HANDOVER_CHANNEL, HANDOVER_ERRORS};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    (void)dup2(fds[i], places[i]);
    close(fds[i]);
  }
  (void)sigprocmask(SIG_SETMASK, &master->before, NULL);
  (void)execve(program, master->options->arguments, environment);
  dprintf(STDERR_FILENO, "%s cannot be started: %s\n", program, strerror(errno));
  _exit(EXIT_NOT_STARTED);
}

static int spawn(struct upgrade *upgrade, const char *program) {
  const struct notify *notify = &upgrade->master->notify;
  int pair[2], ends[2];
  char **environment = offering_make_environment(environ, notify->size > 0 ? notify->text : NULL,
                                                 notify->watchdog_us);
  if (!environment) return ENOMEM;
  int rc = handover_pair(pair);
  if (rc == 0) {
    upgrade->channel_fd = pair[0];
    rc = platform_pipe(true, ends) < 0 ? errno : 0;
    if (rc == 0) {
      upgrade->errors_fd = ends[0];
      (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
      upgrade->pid = fork();
      if (upgrade->pid == 0) become(upgrade->master, program, environment, pair[1], ends[1]);
      if (upgrade->pid < 0) rc = errno;
      close(ends[1]);
    }
    close(pair[1]);
  }
  offering_free_environment(environment);
  return rc;
}

static void collect_offers(struct upgrade *upgrade) {
  const struct master *master = upgrade->master;
  const struct master_options *options = master->options;
  struct offering *offering = &upgrade->offering;
  *offering = (struct offering){
      .ignores_hangup = !master->follows_terminal, .on_line = on_line, .context = upgrade};
  offering_add_place(offering, master->place >= 0 ? master->place : upgrade->place_ends[1]);
  if (options->export_sockets) options->export_sockets(options->context, offering_add, offering);
  keeper_export(master->keeper, offering_add, offering);
}

/* NULL: nothing is in the way. */
static const char *obstacle(const struct master *master) {
  if (master->is_ending) return "the server ends";
  if (master->upgrade) return "one is under way already";
  if (!master->is_ready) return "its workers are being started: ask again when all of them serve";
  for (unsigned i = 0; i < master->count; i++) {
    if (master->children[i].is_reloading)
      return "a reload is under way: ask again when it has ended";
  }
  return NULL;
}

static void refuse(struct master *master, const char *cause, const char *why, unsigned asked_by) {
  log_printf(master->options->log, LOG_WARN, "%s: no upgrade: %s", cause, why);
  if (master->upgrade) return; /* whoever asks hears what becomes of that */
  snprintf(master->page->upgrade_fault, sizeof master->page->upgrade_fault, "%s", why);
  if (asked_by > 0) give_order(master, asked_by, ORDER_UPGRADE, 0);
}

void upgrade_begin(struct master *master, const char *cause, int64_t limit_ms, unsigned asked_by) {
  const char *in_the_way = obstacle(master);
  struct upgrade *upgrade = in_the_way ? NULL : calloc(1, sizeof *upgrade);
  char program[PATH_BYTES];
  if (!upgrade) {
    refuse(master, cause, in_the_way ? in_the_way : "memory is out", asked_by);
    return;
  }
  *upgrade = (struct upgrade){.master = master,
                              .channel_fd = -1,
                              .errors_fd = -1,
                              .place_ends = {-1, -1},
                              .limit_ms = limit_ms};
  upgrade->due_ms = limit_ms > 0 ? worker_now_ms() + (uint64_t)limit_ms : UINT64_MAX;
  master->upgrade = upgrade;
  atomic_store(&master->page->is_upgrading, true);
  if (master->place < 0 && master->notify.size == 0 && getppid() != 1 &&
      stand_in_open(upgrade->place_ends) == 0) {
    master->watched = upgrade->place_ends[0];
  }
  collect_offers(upgrade);
  net_process_own_program(program, sizeof program);
  int rc = spawn(upgrade, program);
  if (rc != 0) {
    upgrade->pid = 0;
    fail(upgrade, "%s cannot be started: %s", program, strerror(rc));
    return;
  }
  log_printf(master->options->log, LOG_INFO, "%s: process %ld is started from %s, to take over",
             cause, (long)upgrade->pid, program);
}
