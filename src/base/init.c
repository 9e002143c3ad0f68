/* base/init.c — what a process does when it is the first of a container. Knows no server.
 *
 * Orphans of a PID namespace become children of its process 1, which has to reap them. The server
 * cannot: waiting for any child would take the exit statuses that io.popen() and os.execute() wait
 * for. So process 1 is a reaper and nothing else, as tini and catatonit are. */
#include "base/init.h"

#include "base/stand_in.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

int init_be_reaper(void) {
  const pid_t self = getpid();
  int ends[2] = {-1, -1};
  sigset_t all;
  sigset_t before;
  if (self != 1 || stand_in_open(ends) < 0) return -1;
  (void)sigfillset(&all);
  /* Blocked before there is a child: none of its signals is lost. */
  (void)sigprocmask(SIG_SETMASK, &all, &before);
  pid_t child = fork();
  if (child > 0) {
    close(ends[1]);
    _exit(stand_in_keep(ends[0], child));
  }
  close(ends[0]);
  if (child == 0) pass_on_environment(self);
  (void)sigprocmask(SIG_SETMASK, &before, NULL);
  if (child == 0) return ends[1];
  close(ends[1]);
  return -1;
}
