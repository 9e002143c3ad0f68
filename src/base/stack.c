/* base/stack.c — a C stack of known size for what runs on it — does not know what that is.
 *
 * The main thread's stack grows up to RLIMIT_STACK as it is then, so raising the soft limit is
 * enough. Below a hard limit that is too low, a thread of its own gets a stack that no limit of the
 * shell concerns; a process pays for a second thread at each system call, so it is the last resort. */
#include "base/stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct call {
  int (*body)(int argc, char **argv);
  int argc;
  char **argv;
  int result;
  pid_t pid;
  sigset_t signals; /* as they were blocked before */
};

static bool is_enough(rlim_t bytes) {
  return bytes == RLIM_INFINITY || bytes >= STACK_BYTES_MIN;
}

/* False: the hard limit is too low. */
static bool raise_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) < 0 || is_enough(limit.rlim_cur)) return true;
  if (!is_enough(limit.rlim_max)) return false;
  bool bounded = limit.rlim_max != RLIM_INFINITY && limit.rlim_max < STACK_BYTES;
  limit.rlim_cur = bounded ? limit.rlim_max : STACK_BYTES;
  return setrlimit(RLIMIT_STACK, &limit) == 0;
}

static void *stack_run(void *context) {
  struct call *call = context;
  (void)pthread_sigmask(SIG_SETMASK, &call->signals, NULL);
  call->result = call->body(call->argc, call->argv);
  if (getpid() != call->pid)
    exit(call->result); /* a child of fork(): nobody joins its only thread */
  return NULL;
}

/* Signals are for the thread that works, so the one that waits blocks them. */
static int run_in_thread(struct call *call) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all;
  int rc = pthread_attr_init(&attributes);
  if (rc != 0) return rc;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &call->signals);
  rc = pthread_attr_setstacksize(&attributes, STACK_BYTES);
  if (rc == 0) rc = pthread_create(&thread, &attributes, stack_run, call);
  (void)pthread_attr_destroy(&attributes);
  if (rc == 0) (void)pthread_join(thread, NULL);
  (void)pthread_sigmask(SIG_SETMASK, &call->signals, NULL);
  return rc;
}

int stack_call(int (*body)(int argc, char **argv), int argc, char **argv) {
  struct call call = {.body = body, .argc = argc, .argv = argv, .pid = getpid()};
  if (raise_limit()) return body(argc, argv);
  int rc = run_in_thread(&call);
  if (rc == 0) return call.result;
  fprintf(stderr,
          "moonport: the stack is limited to less than 1 MiB (ulimit -s), and no other can be "
          "had (%s): a script that recurses deeply may end the process\n",
          strerror(rc));
  return body(argc, argv);
}
