/* base/stand_in.c — the process that others wait for, while servers come and go. Knows no server. */
#include "base/stand_in.h"

#include "base/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  CODE_OF_SIGNAL = 128, /* as shells tell the end by a signal */
};

struct keeping {
  int watched;
  pid_t server;  /* who serves now; 0: it has ended */
  int code;      /* of that */
  bool was_told; /* somebody took over: predecessors of that may still drain */
  bool all_ended;
};

int stand_in_open(int ends[2]) {
  return platform_pipe(false, ends);
}

void stand_in_announce(int place, pid_t pid) {
  if (place < 0) return;
  ssize_t put = write(place, &pid, sizeof pid); /* whole, for it is less than PIPE_BUF */
  (void)put;
}

void stand_in_begin(void) {
  platform_adopt_orphans();
}

/* Who has taken over, as far as they have said by now. */
static void look(struct keeping *keeping) {
  pid_t pid;
  ssize_t got;
  while ((got = read(keeping->watched, &pid, sizeof pid)) == (ssize_t)sizeof pid) {
    keeping->server = pid;
    keeping->was_told = true;
  }
  keeping->all_ended = got == 0;
}

static int code_of(int status) {
  return WIFSIGNALED(status) ? CODE_OF_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

static void note_end(struct keeping *keeping, int status) {
  keeping->server = 0;
  keeping->code = code_of(status);
}

/* Before a child is reaped its number is nobody else's. */
static void reap(struct keeping *keeping) {
  int status = 0, last = 0;
  pid_t pid;
  look(keeping);
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    last = status;
    if (pid == keeping->server) note_end(keeping, status);
  }
  /* A new server is its predecessor's child as long as that one lives. If it ended before, that one has told
   * its code by its own. */
  if (keeping->server > 0 && kill(keeping->server, 0) < 0 && errno == ESRCH) {
    note_end(keeping, last);
  }
  look(keeping);
}

static bool is_end(int number) {
  return number == SIGTERM || number == SIGINT || number == SIGQUIT;
}

/* A terminal sends its signals to the whole group, the server included: a second one would end it
 * at once. */
static bool is_for_server(const siginfo_t *info) {
  return info->si_signo != SIGCHLD && !platform_is_of_terminal(info);
}

static void block_signals(sigset_t *all) {
  static const int stopping[] = {SIGTSTP, SIGTTIN, SIGTTOU}; /* they stop the whole job */
  (void)sigfillset(all);
  for (size_t i = 0; getpid() != 1 && i < sizeof stopping / sizeof stopping[0]; i++) {
    (void)sigdelset(all, stopping[i]);
    (void)signal(stopping[i], SIG_DFL);
  }
  (void)sigprocmask(SIG_SETMASK, all, NULL);
}

/* A handler has no argument to find it by. */
static _Atomic pid_t passed_to;

static void stand_in_on_signal(int number, siginfo_t *info, void *ignored) {
  const int saved_errno = errno;
  (void)ignored;
  if (is_for_server(info)) (void)kill(atomic_load(&passed_to), number);
  errno = saved_errno;
}

void stand_in_take_signals(pid_t server) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
  struct sigaction action = {.sa_sigaction = stand_in_on_signal,
                             .sa_flags = SA_RESTART | SA_SIGINFO};
  (void)sigfillset(&action.sa_mask);
  atomic_store(&passed_to, server);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    (void)sigaction(numbers[i], &action, NULL);
  }
}

pid_t stand_in_latest(int watched, pid_t server) {
  struct keeping keeping = {.watched = watched, .server = server};
  look(&keeping);
  return keeping.server;
}

int stand_in_keep(int watched, pid_t server) {
  struct keeping keeping = {.watched = watched, .server = server, .was_told = getpid() != 1};
  sigset_t all;
  block_signals(&all);
  reap(&keeping); /* it may have ended before its signal was blocked */
  while (keeping.server > 0 || (keeping.was_told && !keeping.all_ended)) {
    siginfo_t info;
    int number = sigwaitinfo(&all, &info);
    if (number > 0 && is_for_server(&info)) {
      look(&keeping);
      if (keeping.server > 0) (void)kill(keeping.server, number);
      if (keeping.server == 0 && is_end(number)) break; /* predecessors that still drain */
    }
    reap(&keeping);
  }
  return keeping.code;
}
