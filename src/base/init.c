/* base/init.c — what a process does when it is the first of a container. Knows no server.
 *
 * Orphans of a PID namespace become children of its process 1, which has to reap them. The server
 * cannot: waiting for any child would take the exit statuses that io.popen() and os.execute() wait
 * for. So process 1 is a reaper and nothing else, as tini and catatonit are. */
#include "base/init.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* As shells tell the end by a signal. */
enum { CODE_OF_SIGNAL = 128 };

/* What a supervisor says to the process that it started is meant for the server. */
static void pass_on_environment(pid_t parent) {
  static const char *const names[] = {"LISTEN_PID", "WATCHDOG_PID"}; /* sd_listen_fds(3) */
  char own[24];
  snprintf(own, sizeof own, "%ld", (long)getpid());
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = getenv(names[i]);
    if (value && strtol(value, NULL, 10) == (long)parent) (void)setenv(names[i], own, 1);
  }
}

/* Reaps whoever has ended; does not return when that is the server. */
static void reap(pid_t server) {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == server) {
      _exit(WIFSIGNALED(status) ? CODE_OF_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
    }
  }
}

/* A terminal sends its signals to the whole group, the server included: a second one would end it
 * at once. */
static bool is_for_server(const siginfo_t *info) {
  return info->si_signo != SIGCHLD && info->si_code != SI_KERNEL;
}

__attribute__((noreturn)) static void run_reaper(pid_t server, const sigset_t *all) {
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(all, &info);
    if (number > 0 && is_for_server(&info)) (void)kill(server, number);
    reap(server);
  }
}

void init_be_reaper(void) {
  const pid_t self = getpid();
  sigset_t all;
  sigset_t before;
  if (self != 1) return;
  (void)sigfillset(&all);
  /* Blocked before there is a child: none of its signals is lost. */
  (void)sigprocmask(SIG_SETMASK, &all, &before);
  pid_t child = fork();
  if (child > 0) run_reaper(child, &all);
  if (child == 0) pass_on_environment(self);
  (void)sigprocmask(SIG_SETMASK, &before, NULL);
}
