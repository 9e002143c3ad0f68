/* base/signals.c — signals that must neither end a process nor reach its children. */
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static void do_nothing(int number) {
  (void)number;
}

static void signals_handle(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  (void)sigemptyset(&action.sa_mask);
  (void)sigaction(number, &action, NULL);
}

static bool is_default(int number) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
         action.sa_handler == SIG_DFL;
}

/* One that whoever started us had blocked would stay so in every child. */
static void unblock_all(void) {
  sigset_t none;
  (void)sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_serve(void) {
  static const int meaningless[] = {SIGALRM,  SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGUSR1, SIGUSR2,
#ifdef SIGSTKFLT
                                    SIGSTKFLT
#endif
  };
  /* Also when they were ignored before: children would inherit that. */
  signals_handle(SIGPIPE, do_nothing);
  signals_handle(SIGXFSZ, do_nothing);
  for (size_t i = 0; i < sizeof meaningless / sizeof meaningless[0]; i++) {
    if (is_default(meaningless[i])) signals_handle(meaningless[i], do_nothing);
  }
  for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
    if (is_default(number)) signals_handle(number, do_nothing);
  }
  unblock_all();
}

/* Which descriptor it was about is not told: so whether output still has a reader is looked at. */
static void signals_on_pipe(int number) {
  const int saved_errno = errno;
  struct pollfd outputs[] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
  if (poll(outputs, 2, 0) > 0 &&
      ((outputs[0].revents | outputs[1].revents) & (POLLERR | POLLHUP))) {
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* as soon as this handler has returned */
  }
  errno = saved_errno;
}

void signals_run(void) {
  signals_handle(SIGPIPE, signals_on_pipe);
  unblock_all();
}

bool signals_have_terminal(void) {
  int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

bool signals_ignore_hangup(void) {
  struct sigaction action;
  return sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}
