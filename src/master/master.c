/* master/master.c — starts workers, passes signals on to them, and starts those again that die.
 *
 * It forks before there is a loop: a child of a process with one would change the parent's epoll set. It
 * keeps one end, or both, of each socket between processes, so a worker that takes another's place finds
 * what was sent to it. Its own signals are blocked all the time, and read from a descriptor. */
#include "master/master.h"

#include "base/descriptors.h"
#include "base/log.h"
#include "base/passing.h"
#include "base/worker.h"
#include "master/homes.h"
#include "master/keeper.h"
#include "net/keep_message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum {
  RESTART_MS_MIN = 100,
  RESTART_MS_MAX = 10000,
  STEADY_MS = 10000, /* who ran for so long is started again without delay */
  CODE_OF_SIGNAL = 128,
};

struct child {
  pid_t pid; /* 0: it does not run */
  uint64_t started_ms;
  uint64_t due_ms;   /* when it is to be started again */
  unsigned delay_ms; /* how long it waited last */
  unsigned starts;
  int questions_fd; /* SOCK_SEQPACKET: what it asks, and the answers; -1: it never ran */
  int orders_fd;    /* the same: what it is told without having asked */
};

struct master {
  const struct master_options *options;
  struct worker_page *page;
  struct keeper *keeper;
  struct homes *homes;
  struct child children[WORKERS_MAX];
  /* mesh[i][j]: what worker i + 1 has to j + 1. */
  int mesh[WORKERS_MAX][WORKERS_MAX];
  unsigned count;
  sigset_t before; /* the mask that workers get back */
  int signal_fd;
  bool is_ending;
  bool was_told_to_end; /* the workers know it */
  int code;             /* of the first worker that ended badly; or 0 */
};

static int pair(int fds[2]) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

static int open_sockets(struct master *master) {
  for (unsigned i = 0; i < master->count; i++) {
    int fds[2];
    master->mesh[i][i] = -1;
    master->children[i].questions_fd = master->children[i].orders_fd = -1;
    for (unsigned j = 0; j < i; j++) {
      if (pair(fds) < 0) return -1;
      master->mesh[i][j] = fds[0];
      master->mesh[j][i] = fds[1];
    }
  }
  return 0;
}

/* What a new worker has of the master, before it is one. */
struct ends {
  int questions_fd;
  int orders_fd;
};

static void close_fd(int fd) {
  if (fd >= 0) close(fd);
}

/* In a worker: what belongs to the master and to the others. */
static void close_others(const struct master *master, unsigned own) {
  close(master->signal_fd);
  for (unsigned i = 0; i < master->count; i++) {
    close_fd(master->children[i].questions_fd);
    close_fd(master->children[i].orders_fd);
    for (unsigned j = 0; j < master->count; j++) {
      if (i != own && i != j) close(master->mesh[i][j]);
    }
  }
}

static int serve(struct master *master, unsigned index, const struct ends *ends) {
  const struct master_options *options = master->options;
  const pid_t master_pid = getppid();
  struct worker worker = {
      .number = index + 1,
      .count = master->count,
      .master = master_pid,
      .page = master->page,
      .master_fd = ends->questions_fd,
      .orders_fd = ends->orders_fd,
  };
  /* Without the master nobody would keep its sockets. */
  (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != master_pid) return CODE_OF_SIGNAL + SIGTERM;
  memcpy(worker.mesh_fds, master->mesh[index], sizeof worker.mesh_fds);
  close_others(master, index);
  keeper_leave(master->keeper);
  homes_free(master->homes);
  master->keeper = NULL;
  master->homes = NULL;
  struct worker_slot *slot = worker_own_slot(&worker);
  atomic_store(&slot->connections, 0);
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

/* True in the child. */
static bool start(struct master *master, unsigned index, struct ends *ends) {
  struct child *child = &master->children[index];
  child->starts++;
  child->started_ms = worker_now_ms();
  atomic_store(&master->page->slots[index].generation, child->starts);
  const bool has_channels = open_channels(child, ends) == 0;
  pid_t pid = has_channels ? fork() : -1;
  if (pid == 0) return true;
  if (pid < 0) {
    log_printf(master->options->log, LOG_ERROR, "worker %u cannot be started: %s", index + 1,
               strerror(errno));
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

/* --- What workers ask ------------------------------------------------------------------------ */

static int answer(struct master *master, unsigned number, const struct keep_request *request,
                  struct keep_answer *answer) {
  switch (request->kind) {
    case KEEP_OPEN: return keeper_open(master->keeper, number, request, answer);
    case KEEP_PASS_ON: keeper_pass_on(master->keeper, request); break;
    case KEEP_GIVE_UP: keeper_give_up(master->keeper, number, request); break;
    case KEEP_HOME:
      answer->number = homes_find(master->homes, request->script);
      if (answer->number == 0) answer->rc = UV_ENOMEM;
      break;
    case KEEP_FORGET: homes_forget(master->homes, request->script); break;
  }
  return -1;
}

/* False: there is none. */
static bool take_question(struct master *master, unsigned index) {
  const int fd = master->children[index].questions_fd;
  struct keep_request request;
  const struct iovec part = {&request, sizeof request};
  int came = -1;
  ssize_t size = passing_receive(fd, &part, 1, &came, MSG_DONTWAIT);
  if (size <= (ssize_t)offsetof(struct keep_request, script)) return false;
  close_fd(came);
  struct keep_answer reply = {.serial = request.serial};
  const struct iovec said = {&reply, sizeof reply};
  int given = answer(master, index + 1, &request, &reply);
  (void)passing_send(fd, &said, 1, given, MSG_DONTWAIT); /* it waits for it, or is gone */
  return true;
}

static void on_death(struct master *master, unsigned index, int status) {
  struct child *child = &master->children[index];
  struct worker_slot *slot = &master->page->slots[index];
  const bool was_serving = atomic_load(&slot->phase) >= WORKER_SERVING;
  const int code = WIFSIGNALED(status) ? CODE_OF_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
  atomic_store(&slot->phase, WORKER_ABSENT);
  child->pid = 0;
  if (code != 0 && master->code == 0 && (master->is_ending || (child->starts == 1 && !was_serving)))
    master->code = code;
  if (master->is_ending) return;
  if (child->starts == 1 && !was_serving) { /* what is wrong with its scripts was told */
    master->is_ending = true;
    return;
  }
  const uint64_t now = worker_now_ms();
  const bool was_steady = now - child->started_ms >= STEADY_MS;
  child->delay_ms = was_steady || child->delay_ms == 0     ? RESTART_MS_MIN
                    : child->delay_ms * 2 > RESTART_MS_MAX ? RESTART_MS_MAX
                                                           : child->delay_ms * 2;
  child->due_ms = now + child->delay_ms;
  log_printf(
      master->options->log, LOG_ERROR,
      "worker %u (process %ld) ended by %s %d: its connections are lost, and it is started again",
      index + 1, (long)atomic_load(&slot->pid), WIFSIGNALED(status) ? "signal" : "code",
      WIFSIGNALED(status) ? WTERMSIG(status) : code);
}

static void reap(struct master *master) {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    for (unsigned i = 0; i < master->count; i++) {
      if (master->children[i].pid == pid) on_death(master, i, status);
    }
  }
}

static void send_all(const struct master *master, int number) {
  for (unsigned i = 0; i < master->count; i++) {
    if (master->children[i].pid > 0) (void)kill(master->children[i].pid, number);
  }
}

static bool is_end(unsigned number) {
  return number == SIGTERM || number == SIGINT || number == SIGQUIT;
}

static void take_signals(struct master *master) {
  struct signalfd_siginfo info;
  while (read(master->signal_fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) continue;
    if (is_end(info.ssi_signo)) master->is_ending = master->was_told_to_end = true;
    /* A terminal sends its signals to the whole group, the workers included. */
    if (info.ssi_code != SI_KERNEL) send_all(master, (int)info.ssi_signo);
  }
  reap(master);
}

/* When the next worker is to be started; -1: none is. */
static int wait_ms(const struct master *master) {
  uint64_t now = worker_now_ms(), first = UINT64_MAX;
  for (unsigned i = 0; i < master->count && !master->is_ending; i++) {
    const struct child *child = &master->children[i];
    if (child->pid == 0 && child->due_ms < first) first = child->due_ms;
  }
  if (first == UINT64_MAX) return -1;
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
    if (child->pid == 0 && child->due_ms <= now && start(master, i, ends)) return (int)i;
  }
  return -1;
}

static int block_signals(struct master *master) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&set, numbers[i]);
  if (sigprocmask(SIG_BLOCK, &set, &master->before) < 0) return -1;
  master->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return master->signal_fd < 0 ? -1 : 0;
}

/* Until something happens, or a worker is to be started. */
static void master_wait(struct master *master) {
  struct pollfd waits[1 + WORKERS_MAX] = {{.fd = master->signal_fd, .events = POLLIN}};
  for (unsigned i = 0; i < master->count; i++) {
    const struct child *child = &master->children[i];
    waits[i + 1] =
        (struct pollfd){.fd = child->pid > 0 ? child->questions_fd : -1, .events = POLLIN};
  }
  (void)poll(waits, 1 + master->count, wait_ms(master));
  for (unsigned i = 0; i < master->count; i++) {
    while (waits[i + 1].revents & POLLIN && take_question(master, i)) continue;
  }
  take_signals(master);
}

static struct master *master_new(const struct master_options *options) {
  struct master *master = calloc(1, sizeof *master);
  if (!master) return NULL;
  master->options = options;
  master->count = options->count;
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

int master_run(const struct master_options *options) {
  struct master *master = master_new(options);
  if (!master || !master->page || !master->keeper || !master->homes) {
    log_printf(options->log, LOG_ERROR, "not enough memory to start");
    if (master) master_free(master);
    return 1;
  }
  int index = -1;
  struct ends ends;
  (void)descriptors_raise((size_t)master->count * master->count); /* the mesh's, mostly */
  if (block_signals(master) < 0 || open_sockets(master) < 0) {
    log_printf(options->log, LOG_ERROR, "%u workers cannot be had: %s", master->count,
               strerror(errno));
    master->is_ending = true;
    master->code = 1;
  }
  while (runs(master) && (index = start_due(master, &ends)) < 0) {
    master_wait(master);
    if (master->is_ending && !master->was_told_to_end) {
      master->was_told_to_end = true;
      send_all(master, SIGTERM);
    }
  }
  int code = index >= 0 ? serve(master, (unsigned)index, &ends) : master->code;
  master_free(master);
  return code;
}
