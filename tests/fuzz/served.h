/* served.h — a whole server in the target's own process, turned by hand — knows no input. */
#pragma once

#include "fuzz.h"

#include "base/control_address.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/script.h"
#include "server/server.h"
#include "server/server_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct served {
  struct server *server;
  struct log *log;
  int log_fd;         /* a file in memory */
  const char *script; /* the server borrows it and the next */
  char address[64];   /* "unix:" and a path, where it listens */
  const char *listen; /* that path */
  char control[64];   /* another */
};

/* Serves one script, with a control socket. `name` tells the sockets of targets apart. */
static inline void served_open(struct served *served, const char *script, const char *name) {
  char error[200];
  struct control_address control;
  (void)snprintf(served->address, sizeof served->address, "unix:/tmp/fuzz-%s-%d", name,
                 (int)getpid());
  served->listen = served->address + strlen("unix:");
  (void)snprintf(served->control, sizeof served->control, "/tmp/fuzz-%s-%d.c", name, (int)getpid());
  served->script = script;
  MUST(control_address_read(served->control, &control, error, sizeof error) == 0);
  served->log_fd = memfd_create("log", MFD_CLOEXEC);
  served->log = log_new(served->log_fd, LOG_WARN, LOG_JSON);
  MUST(served->log_fd >= 0 && served->log != NULL);
  const struct server_options options = {
      .log = served->log,
      .paths = &served->script,
      .path_count = 1,
      .listen = served->address,
      .host = "127.0.0.1",
      .backlog = 64,
      .drain_ms = 100,
      .no_watch = true,
      .unsafe = true, /* the client is of this process, as a script would be */
      .control = &control,
  };
  MUST(server_open(&options, &served->server) == 0);
}

/* What is ready is done; true when there is more that only waits for its time. */
static inline bool served_turn(struct served *served) {
  net_loop_turn(served->server->loop, false);
  return uv_loop_alive(net_loop_uv(served->server->loop));
}

static inline void served_close(struct served *served) {
  server_drain(served->server, "the end");
  MUST(server_run(served->server) == 0);
  server_free(served->server);
  log_free(served->log);
  (void)close(served->log_fd);
  (void)unlink(served->listen);
  (void)unlink(served->control);
}

/* A peer of the listener or of the control socket; nothing of it waits. */
static inline int served_connect(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  MUST(fd >= 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    (void)close(fd);
    return -1;
  }
  return fd;
}

/* Nothing in the log since the last time may have the word. */
static inline void served_check_log(struct served *served, const char *word) {
  static char text[1 << 16];
  (void)log_flush(served->log);
  off_t size = lseek(served->log_fd, 0, SEEK_END);
  MUST(size >= 0);
  for (off_t at = 0; at < size;) {
    ssize_t got = pread(served->log_fd, text, sizeof text, at);
    MUST(got > 0);
    const char *found = memmem(text, (size_t)got, word, strlen(word));
    if (found) {
      (void)fprintf(stderr, "%.*s\n", (int)(text + got - found), found);
      abort();
    }
    at += got;
  }
  MUST(ftruncate(served->log_fd, 0) == 0 && lseek(served->log_fd, 0, SEEK_SET) == 0);
}
