/* net/notify.c — tells the supervisor how far the server is, as sd_notify(3) does. Knows neither
 * the server nor who supervises it. */
#include "net/notify.h"

#include "base/log.h"
#include "base/platform.h"
#include "net/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* "/run/x", or "@x" for an abstract one. 0: neither, or too long. */
static socklen_t notify_read_address(const char *text, struct sockaddr_un *out) {
  size_t size = strlen(text);
  const bool is_abstract = text[0] == '@' && platform_has_abstract_sockets;
  if ((text[0] != '/' && !is_abstract) || size < 2 || size >= sizeof out->sun_path) return 0;
  *out = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(out->sun_path, text, size);
  if (is_abstract) out->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
}

/* As sd_watchdog_enabled(3) reads it. Without a WATCHDOG_PID, as after an upgrade, it is meant for this one. */
static uint64_t read_watchdog(struct log *log) {
  const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
  char *end = NULL;
  if (!text || !*text || (pid && strtol(pid, NULL, 10) != (long)getpid())) return 0;
  errno = 0;
  const uint64_t us = strtoull(text, &end, 10);
  if (errno == 0 && *end == '\0' && text[0] != '-' && us > 0 && us < UINT64_MAX) return us;
  log_printf(log, LOG_WARN, "WATCHDOG_USEC is \"%s\": not a number of microseconds; not used",
             text);
  return 0;
}

void notify_init(struct notify *notify, struct log *log, const struct worker *worker) {
  *notify = (struct notify){.log = log, .worker = worker};
  const char *text = getenv("NOTIFY_SOCKET");
  if (text && *text && !worker) notify->watchdog_us = read_watchdog(log);
  unsetenv("WATCHDOG_USEC");
  unsetenv("WATCHDOG_PID");
  if (!text || !*text) return;
  notify->size = notify_read_address(text, &notify->address);
  if (notify->size == 0) {
    const bool is_lacking = text[0] == '@' && !platform_has_abstract_sockets;
    log_printf(log, LOG_WARN, "NOTIFY_SOCKET is \"%s\": %s; not used", text,
               is_lacking ? "an abstract name, which only Linux has" : "neither a path nor @NAME");
  } else {
    memcpy(notify->text, text, strlen(text) + 1);
  }
  unsetenv("NOTIFY_SOCKET");
}

uint64_t notify_alive_ms(const struct notify *notify) {
  if (notify->size == 0 || notify->watchdog_us == 0) return 0;
  const uint64_t half_ms = notify->watchdog_us / 2000; /* as sd_watchdog_enabled(3) advises */
  return half_ms > 0 ? half_ms : 1;
}

/* 0, or an errno. */
static int notify_send(const struct notify *notify, const char *state) {
  int fd = platform_socket(AF_UNIX, SOCK_DGRAM, true);
  if (fd < 0) return errno;
  ssize_t sent = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
                        (const struct sockaddr *)&notify->address, notify->size);
  int failure = sent < 0 ? errno : 0;
  close(fd);
  return failure;
}

static void notify_tell(const struct notify *notify, const char *state) {
  if (notify->size == 0) return;
  int failure = notify_send(notify, state);
  if (failure == 0) return;
  log_printf(notify->log, LOG_WARN, "the supervisor's NOTIFY_SOCKET takes no \"%.*s\": %s",
             (int)strcspn(state, "\n"), state, strerror(failure));
}

void notify_ready(const struct notify *notify, const char *status) {
  if (notify->worker) {
    keep_tell_ready(notify->worker);
    return;
  }
  char state[NOTIFY_STATUS_BYTES + 32];
  snprintf(state, sizeof state, "READY=1\nSTATUS=%.*s", NOTIFY_STATUS_BYTES, status);
  notify_tell(notify, state);
}

void notify_status(const struct notify *notify, const char *status) {
  char state[NOTIFY_STATUS_BYTES + 32];
  snprintf(state, sizeof state, "STATUS=%.*s", NOTIFY_STATUS_BYTES, status);
  if (!notify->worker) notify_tell(notify, state);
}

void notify_alive(const struct notify *notify) {
  if (notify->size > 0) (void)notify_send(notify, "WATCHDOG=1");
}

void notify_reloading(const struct notify *notify) {
  if (notify->worker) {
    keep_tell_reloading(notify->worker);
    return;
  }
  struct timespec now;
  char state[64];
  clock_gettime(CLOCK_MONOTONIC, &now);
  /* Type=notify-reload tells by the time which of several reloads this answers. */
  snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
           (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
  notify_tell(notify, state);
}

void notify_stopping(const struct notify *notify) {
  if (notify->worker) return;
  notify_tell(notify, "STOPPING=1\nSTATUS=no new connections; those that are open may end");
}

void notify_main_pid(const struct notify *notify, pid_t pid) {
  char state[40];
  snprintf(state, sizeof state, "MAINPID=%ld", (long)pid);
  notify_tell(notify, state);
}
