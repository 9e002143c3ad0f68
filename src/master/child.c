/* master/child.c — one worker process: how it begins, and what becomes of its end. */
#include "base/log.h"
#include "base/platform.h"
#include "master/homes.h"
#include "master/keeper.h"
#include "master/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  RESTART_MS_MIN = 100,
  RESTART_MS_MAX = 10000,
  STEADY_MS = 10000, /* who ran for so long is started again without delay */
  CODE_OF_SIGNAL = 128,
};

static int pair(int fds[2]) {
  return platform_socketpair(SOCK_SEQPACKET, true, fds);
}

static void close_fd(int fd) {
  if (fd >= 0) close(fd);
}

int children_open(struct master *master) {
  for (unsigned i = 0; i < master->count; i++) {
    int fds[2];
    for (unsigned j = 0; j < i; j++) {
      if (pair(fds) < 0) return -1;
      master->mesh[i][j] = fds[0];
      master->mesh[j][i] = fds[1];
    }
  }
  return 0;
}

/* --- In the worker --------------------------------------------------------------------------- */

/* What belongs to the master and to the others. */
static void leave_master(struct master *master, unsigned own) {
  platform_signals_leave(master->signal_fd);
  for (unsigned i = 0; i < master->count; i++) {
    close_fd(master->children[i].questions_fd);
    close_fd(master->children[i].orders_fd);
    for (unsigned j = 0; j < master->count; j++) {
      if (i != own && i != j) close(master->mesh[i][j]);
    }
  }
  upgrade_forget(master);
  keeper_leave(master->keeper);
  homes_free(master->homes);
  master->keeper = NULL;
  master->homes = NULL;
}

/* What a supervisor says to the process that it started is meant for each of them: they inherit its
 * sockets. */
static void pass_on_environment(pid_t master) {
  const char *pid = getenv("LISTEN_PID");
  char own[24];
  if (!pid || strtol(pid, NULL, 10) != (long)master) return;
  snprintf(own, sizeof own, "%ld", (long)getpid());
  (void)setenv("LISTEN_PID", own, 1);
}

int child_serve(struct master *master, unsigned index, const struct ends *ends) {
  const struct master_options *options = master->options;
  const pid_t master_pid = getppid();
  struct worker worker = {
      .number = index + 1,
      .count = master->count,
      .master = master_pid,
      .begun_ms = master->begun_ms,
      .page = master->page,
      .master_fd = ends->questions_fd,
      .orders_fd = ends->orders_fd,
  };
  /* Without the master nobody would keep its sockets. */
  (void)platform_end_with_parent(SIGTERM);
  if (getppid() != master_pid) return CODE_OF_SIGNAL + SIGTERM;
  memcpy(worker.mesh_fds, master->mesh[index], sizeof worker.mesh_fds);
  worker.mesh_fds[index] = -1;
  leave_master(master, index);
  pass_on_environment(master_pid);
  struct worker_slot *slot = worker_own_slot(&worker);
  atomic_store(&slot->connections, 0);
  atomic_store(&slot->is_unanswered, false);
  atomic_store(&slot->pid, getpid());
  worker_beat(&worker);
  worker_set_phase(&worker, WORKER_STARTING);
  (void)sigprocmask(SIG_SETMASK, &master->before, NULL);
  int code = options->serve(options->context, &worker);
  worker_set_phase(&worker, WORKER_ABSENT);
  close(ends->questions_fd);
  close(ends->orders_fd);
  return code;
}

/* --- In the master --------------------------------------------------------------------------- */

/* New ones for each start: nothing that was said to the one before is left in them. */
static int open_channels(struct child *child, struct ends *ends) {
  int questions[2], orders[2];
  if (pair(questions) < 0) return -1;
  if (pair(orders) < 0) {
    close(questions[0]);
    close(questions[1]);
    return -1;
  }
  close_fd(child->questions_fd);
  close_fd(child->orders_fd);
  child->questions_fd = questions[0];
  child->orders_fd = orders[0];
  *ends = (struct ends){.questions_fd = questions[1], .orders_fd = orders[1]};
  return 0;
}

bool child_start(struct master *master, unsigned index, struct ends *ends) {
  struct child *child = &master->children[index];
  child->starts++;
  child->started_ms = worker_now_ms();
  child->is_ready = child->is_reloading = child->is_stopped = false;
  child->silent_ms = child->sweep_ms = 0;
  atomic_store(&master->page->slots[index].generation, child->starts);
  const bool has_channels = open_channels(child, ends) == 0;
  pid_t pid = has_channels ? fork() : -1;
  if (pid == 0) return true;
  if (pid < 0) {
    log_printf(master->options->log, LOG_ERROR,
               "worker %u cannot be started: %s; it is tried again", index + 1, strerror(errno));
    child->due_ms = worker_now_ms() + RESTART_MS_MAX;
  }
  if (has_channels) {
    close(ends->questions_fd);
    close(ends->orders_fd);
  }
  if (pid > 0) {
    child->pid = pid;
    keeper_on_start(master->keeper, index + 1);
  }
  return false;
}

void child_signal_all(const struct master *master, int number) {
  for (unsigned i = 0; i < master->count; i++) {
    const struct child *child = &master->children[i];
    if (child->pid <= 0) continue;
    (void)kill(child->pid, number);
    if (child->is_stopped) (void)kill(child->pid, SIGCONT); /* else it would never know */
  }
}

/* "SIGSEGV (core dumped)", "code 1" */
static void describe(int status, char *out, size_t size) {
  if (!WIFSIGNALED(status)) {
    snprintf(out, size, "code %d", WEXITSTATUS(status));
    return;
  }
  const char *name = platform_signal_name(WTERMSIG(status));
  const char *core = WCOREDUMP(status) ? " (core dumped)" : "";
  if (name) {
    snprintf(out, size, "SIG%s%s", name, core);
  } else {
    snprintf(out, size, "signal %d%s", WTERMSIG(status), core);
  }
}

/* How long it waits: longer each time, unless it ran well for a while. */
static unsigned next_delay(const struct child *child, uint64_t now) {
  const bool was_steady = now - child->started_ms >= STEADY_MS;
  if (was_steady || child->delay_ms == 0) return RESTART_MS_MIN;
  return child->delay_ms * 2 > RESTART_MS_MAX ? RESTART_MS_MAX : child->delay_ms * 2;
}

static void plan_restart(struct master *master, unsigned index, int status) {
  struct child *child = &master->children[index];
  const uint64_t now = worker_now_ms();
  const bool left = WIFEXITED(status) && WEXITSTATUS(status) == 0; /* somebody sent it a SIGTERM */
  char end[64];
  child->delay_ms = next_delay(child, now);
  child->due_ms = now + child->delay_ms;
  describe(status, end, sizeof end);
  log_printf(master->options->log, left ? LOG_INFO : LOG_ERROR,
             "worker %u (process %ld) ended with %s%s; it is started again in %.3g s", index + 1,
             (long)child->pid, end, left ? "" : ": its connections are lost, what waits is not",
             (double)child->delay_ms / 1000);
}

void children_close_sockets(struct master *master) {
  for (unsigned i = 0; i < master->count; i++) {
    if (master->children[i].pid == 0) keeper_on_start(master->keeper, i + 1);
    keeper_sweep(master->keeper, i + 1);
  }
}

static void tell_early_end(const struct master *master, unsigned index, int status) {
  char end[64];
  describe(status, end, sizeof end);
  log_printf(master->options->log, LOG_ERROR,
             "worker %u (process %ld) ended with %s before it served: nothing is served", index + 1,
             (long)master->children[index].pid, end);
}

/* It had only just begun, and did not take signals yet. */
static bool is_ended_by_us(int status) {
  if (!WIFSIGNALED(status)) return false;
  const int number = WTERMSIG(status);
  return number == SIGTERM || number == SIGINT || number == SIGQUIT;
}

static void on_end(struct master *master, unsigned index, int status) {
  struct child *child = &master->children[index];
  int code = WIFSIGNALED(status) ? CODE_OF_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
  if (master->is_ending && is_ended_by_us(status)) code = 0;
  atomic_store(&master->page->slots[index].phase, WORKER_ABSENT);
  /* What is wrong with its scripts was told; of the others there is nothing to tell. */
  const bool never_served = !child->was_ready && !master->is_ending;
  if (code != 0 && master->code == 0 && (master->is_ending || never_served)) master->code = code;
  if (never_served) {
    if (WIFSIGNALED(status)) tell_early_end(master, index, status);
    atomic_store(&master->page->is_called_off, true);
    master->is_ending = true;
  }
  if (!master->is_ending) plan_restart(master, index, status);
  child->pid = 0;
  if (master->is_ending) children_close_sockets(master);
  child->is_ready = child->is_reloading = child->is_stopped = false;
}

static void on_stop(struct master *master, unsigned index, int status) {
  struct child *child = &master->children[index];
  child->is_stopped = WIFSTOPPED(status);
  child->silent_ms = 0;
  const char *name = child->is_stopped ? platform_signal_name(WSTOPSIG(status)) : NULL;
  if (child->is_stopped) {
    log_printf(master->options->log, LOG_WARN,
               "worker %u (process %ld) is stopped (SIG%s): what waits for it is served by others, "
               "where its scripts run in several",
               index + 1, (long)child->pid, name ? name : "STOP");
  } else {
    log_printf(master->options->log, LOG_INFO, "worker %u (process %ld) goes on", index + 1,
               (long)child->pid);
  }
}

static void tell_upgrade(struct master *master, pid_t pid, int status) {
  char end[64];
  describe(status, end, sizeof end);
  upgrade_on_end(master, pid, end);
}

void children_reap(struct master *master) {
  int status = 0;
  pid_t pid = 0;
  bool any = false;
  while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
    if (!WIFSTOPPED(status) && !WIFCONTINUED(status)) tell_upgrade(master, pid, status);
    for (unsigned i = 0; i < master->count; i++) {
      if (master->children[i].pid != pid) continue;
      any = true;
      if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
        on_stop(master, i, status);
      } else {
        on_end(master, i, status);
      }
    }
  }
  if (any) master_arrange(master);
}
