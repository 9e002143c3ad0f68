/* api/standard.c — standard input and output as connections, for moonport.cli. Knows no command.
 *
 * They may be terminals, files, or pipes that other programs have too, for which non-blocking is no
 * choice of ours. So a thread moves their bytes, and may be held up; the connection at its other end can
 * be waited for like any other, and feels who is slow. */
#include "api/conn.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "base/platform.h"
#include "net/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024 };

/* Its thread's. */
struct standard {
  int from;
  int to;
  char bytes[PIECE_BYTES];
};

static bool standard_write(const struct standard *standard, size_t size) {
  const char *bytes = standard->bytes;
  while (size > 0) {
    ssize_t written = write(standard->to, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes += written;
    size -= (size_t)written;
  }
  return true;
}

/* What is not said: that nobody is there any more. */
static void complain(const char *what) {
  const int error = errno;
  if (error == EPIPE || error == ECONNRESET) return;
  dprintf(STDERR_FILENO, "moonport: cannot %s: %s\n", what, strerror(error));
}

/* Until the end of what it reads. */
static bool move_all(struct standard *standard) {
  while (true) {
    ssize_t size = read(standard->from, standard->bytes, sizeof standard->bytes);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) complain("read standard input");
    if (size <= 0) return size == 0;
    if (standard_write(standard, (size_t)size)) continue;
    complain("write the output");
    return false;
  }
}

static void *standard_run(void *context) {
  struct standard *standard = context;
  const bool is_output = standard->to == STDOUT_FILENO;
  const bool is_whole = move_all(standard);
  /* A byte says that all of the output has gone. */
  if (is_output && is_whole) (void)send(standard->from, ".", 1, MSG_NOSIGNAL);
  close(is_output ? standard->from : standard->to);
  free(standard);
  return NULL;
}

/* Signals are for the other thread, but for SIGPIPE, which comes to who writes. */
static int standard_begin(struct standard *standard) {
  sigset_t all, before;
  pthread_t thread;
  (void)sigfillset(&all);
  (void)sigdelset(&all, SIGPIPE);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&thread, NULL, standard_run, standard);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc == 0) pthread_detach(thread);
  return rc;
}

/* core.standard(fd) -> a connection: with 0 what it receives is standard input; with 1 what is sent goes to
 * standard output, and after shutdown() it receives one byte when all of that has got there. From here on no
 * connection of this program is given up because its peer takes nothing, and drain() waits until the kernel
 * has taken all. */
int api_new_standard(lua_State *L) {
  const int fd = (int)luaL_checkinteger(L, 1);
  const struct sockaddr unnamed = {.sa_family = AF_UNIX};
  struct conn_group *group = &runtime_of(L)->sequential;
  int pair[2];
  struct standard *standard = malloc(sizeof *standard);
  if (!standard || platform_socketpair(SOCK_STREAM, true, pair) < 0) {
    free(standard);
    return luaL_error(L, "not enough memory or descriptors");
  }
  (void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* and the thread's end is not */
  standard->from = fd == STDIN_FILENO ? fd : pair[1];
  standard->to = fd == STDIN_FILENO ? pair[1] : fd;
  group->write_ms = 0;
  group->queue_low = 1;
  if (net_adopt(group, pair[0], &unnamed, CONN_NO_LISTENER) < 0 || standard_begin(standard) != 0) {
    close(pair[1]);
    free(standard);
    return luaL_error(L, "not enough memory or descriptors");
  }
  api_give_conn(L, runtime_of(L), conn_group_newest(group));
  return 1;
}
