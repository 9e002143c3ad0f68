/* notify_test.c — the datagrams that a supervisor gets; tests/supervised_spec.lua tries the rest. */
#include "check.h"

#include "base/log.h"
#include "base/platform.h"
#include "net/notify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A name that is free: the kernel chooses it, as five hexadecimal digits. */
static int bind_abstract(char *name, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t used = sizeof address;
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK_NUMBER(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
  CHECK_NUMBER(getsockname(fd, (struct sockaddr *)&address, &used), 0);
  (void)snprintf(name, size, "@%.5s", address.sun_path + 1);
  return fd;
}

/* Where there are no abstract names: a file, which the next one takes the place of. */
static int bind_path(char *name, size_t size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(name, size, "/tmp/moonport-notify-%ld", (long)getpid());
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
  (void)unlink(name);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK_NUMBER(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static int listen_for(struct notify *notify, struct log *log) {
  char name[64];
  int fd = (platform_has_abstract_sockets ? bind_abstract : bind_path)(name, sizeof name);
  setenv("NOTIFY_SOCKET", name, 1);
  notify_init(notify, log, NULL);
  CHECK(getenv("NOTIFY_SOCKET") == NULL);
  return fd;
}

static void end_listening(int fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t used = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &used) == 0) (void)unlink(address.sun_path);
  close(fd);
}

/* What came; static, read before the next. */
static const char *received(int fd) {
  static char text[256];
  ssize_t size = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
  text[size < 0 ? 0 : size] = '\0';
  return text;
}

static void tells_each_state_in_one_datagram(void) {
  struct log *log = log_new(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
  struct notify notify;
  int fd = listen_for(&notify, log);
  notify_ready(&notify, "serving 1 script");
  CHECK_TEXT(received(fd), "READY=1\nSTATUS=serving 1 script");
  notify_status(&notify, "no script is served");
  CHECK_TEXT(received(fd), "STATUS=no script is served");
  notify_alive(&notify);
  CHECK_TEXT(received(fd), "WATCHDOG=1");
  notify_stopping(&notify);
  CHECK_TEXT(received(fd), "STOPPING=1\nSTATUS=no new connections; those that are open may end");
  CHECK_TEXT(received(fd), "");
  end_listening(fd);
  log_free(log);
}

static void tells_the_time_of_a_reload(void) {
  struct log *log = log_new(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
  struct notify notify;
  struct timespec before;
  int fd = listen_for(&notify, log);
  clock_gettime(CLOCK_MONOTONIC, &before);
  notify_reloading(&notify);
  long long usec = 0;
  CHECK_NUMBER(sscanf(received(fd), "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
  long long since = usec - (before.tv_sec * 1000000LL + before.tv_nsec / 1000);
  CHECK(since >= 0 && since < 60 * 1000000LL);
  end_listening(fd);
  log_free(log);
}

/* sd_watchdog_enabled(3): half of the time, and nothing where it is another process's, or no number. */
static void reads_how_often_a_watchdog_wants_to_hear(void) {
  static const struct {
    const char *usec, *pid;
    uint64_t every_ms;
  } given[] = {
      {"30000000", NULL, 15000},
      {"1000", NULL, 1},
      {"1", NULL, 1},
      {"0", NULL, 0},
      {"-1", NULL, 0},
      {"", NULL, 0},
      {"3s", NULL, 0},
      {"99999999999999999999", NULL, 0},
      {"30000000", "1", 0},
      {NULL, NULL, 0},
      {"3000", "x", 0},
  };
  struct log *log = log_new(open("/dev/null", O_WRONLY), LOG_ERROR, LOG_TEXT);
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    struct notify notify;
    if (given[i].usec) setenv("WATCHDOG_USEC", given[i].usec, 1);
    if (given[i].pid) setenv("WATCHDOG_PID", given[i].pid, 1);
    close(listen_for(&notify, log));
    CHECK_NUMBER(notify_alive_ms(&notify), given[i].every_ms);
    CHECK(getenv("WATCHDOG_USEC") == NULL && getenv("WATCHDOG_PID") == NULL);
  }
  log_free(log);
}

static void tells_nobody_when_nobody_asks(void) {
  struct log *log = log_new(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
  struct notify notify;
  unsetenv("NOTIFY_SOCKET");
  notify_init(&notify, log, NULL);
  CHECK_NUMBER(notify.size, 0);
  notify_ready(&notify, "");
  notify_alive(&notify);
  log_free(log);
}

static const struct check_case cases[] = {
    {"each state is told in one datagram", tells_each_state_in_one_datagram},
    {"a reload is told with its time", tells_the_time_of_a_reload},
    {"a watchdog is told in half of its time", reads_how_often_a_watchdog_wants_to_hear},
    {"without NOTIFY_SOCKET nobody is told", tells_nobody_when_nobody_asks},
};
CHECK_MAIN(cases)
