/* notify_test.c — the datagrams that a supervisor gets; tests/supervised_spec.lua tries the rest. */
#include "check.h"

#include "base/log.h"
#include "base/platform.h"
#include "net/notify.h"

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
  notify_ready(&notify);
  CHECK_TEXT(received(fd), "READY=1");
  notify_stopping(&notify);
  CHECK_TEXT(received(fd), "STOPPING=1");
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

static void tells_nobody_when_nobody_asks(void) {
  struct log *log = log_new(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
  struct notify notify;
  unsetenv("NOTIFY_SOCKET");
  notify_init(&notify, log, NULL);
  CHECK_NUMBER(notify.size, 0);
  notify_ready(&notify);
  log_free(log);
}

static const struct check_case cases[] = {
    {"each state is told in one datagram", tells_each_state_in_one_datagram},
    {"a reload is told with its time", tells_the_time_of_a_reload},
    {"without NOTIFY_SOCKET nobody is told", tells_nobody_when_nobody_asks},
};
CHECK_MAIN(cases)
