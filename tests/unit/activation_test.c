/* activation_test.c — taking, giving back and finding sockets that were handed down; from outside,
 * tests/supervised_spec.lua tries the rest. */
#include "check.h"

#include "base/address.h"
#include "base/log.h"
#include "server/activation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 3 };

static struct log *quiet_log(void) {
  return log_new(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
}

/* A listening socket on a free port, as the first descriptor that is handed down. */
static struct sockaddr_in hand_down(const char *ip, const char *pid, const char *count) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  inet_pton(AF_INET, ip, &address.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK_NUMBER(bind(fd, (struct sockaddr *)&address, size), 0);
  CHECK_NUMBER(listen(fd, 1), 0);
  CHECK_NUMBER(getsockname(fd, (struct sockaddr *)&address, &size), 0);
  if (fd != FIRST_DESCRIPTOR) {
    CHECK_NUMBER(dup2(fd, FIRST_DESCRIPTOR), FIRST_DESCRIPTOR);
    close(fd);
  }
  char own_pid[16];
  (void)snprintf(own_pid, sizeof own_pid, "%d", (int)getpid());
  setenv("LISTEN_PID", pid != NULL ? pid : own_pid, 1);
  setenv("LISTEN_FDS", count, 1);
  return address;
}

static struct handed_socket *take(struct activation *activation,
                                  const struct sockaddr_in *address) {
  const struct wanted_socket wanted = {
      .address = (const struct sockaddr *)address, .size = sizeof *address, .type = SOCK_STREAM};
  return activation_take(activation, &wanted);
}

static void is_taken_by_one_at_a_time(void) {
  struct log *log = quiet_log();
  struct sockaddr_in address = hand_down("127.0.0.1", NULL, "1");
  struct activation *activation = activation_new(log);
  struct handed_socket *handed = take(activation, &address);
  CHECK(handed != NULL);
  CHECK(take(activation, &address) == NULL);
  handed_socket_release(handed);
  CHECK(take(activation, &address) == handed);
  activation_free(activation);
  log_free(log);
}

/* A script that is removed and comes back at a reload must find its socket again. */
static void outlives_each_descriptor_of_it(void) {
  struct log *log = quiet_log();
  struct sockaddr_in address = hand_down("127.0.0.1", NULL, "1");
  struct activation *activation = activation_new(log);
  struct handed_socket *handed = take(activation, &address);
  int first = handed_socket_open(handed);
  CHECK(first > FIRST_DESCRIPTOR);
  close(first);
  int second = handed_socket_open(handed);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_NUMBER(connect(client, (struct sockaddr *)&address, sizeof address), 0);
  int accepted = accept(second, NULL, NULL);
  CHECK(accepted >= 0);
  close(accepted);
  close(client);
  close(second);
  activation_free(activation);
  log_free(log);
}

static int find(const struct activation *activation, const char *text) {
  struct address wanted;
  struct sockaddr_storage found[2];
  socklen_t sizes[2];
  char error[256];
  CHECK_NUMBER(address_parse(text, "10.1.2.3", &wanted, error, sizeof error), 0);
  return activation_find(activation, &wanted, found, sizes, 2);
}

static void is_found_where_the_host_is_left_open(void) {
  struct log *log = quiet_log();
  struct sockaddr_in address = hand_down("127.0.0.1", NULL, "1");
  struct activation *activation = activation_new(log);
  char text[64];
  (void)snprintf(text, sizeof text, "%u", ntohs(address.sin_port));
  CHECK_NUMBER(find(activation, text), 1);
  (void)snprintf(text, sizeof text, "udp://:%u", ntohs(address.sin_port));
  CHECK_NUMBER(find(activation, text), 0);
  (void)snprintf(text, sizeof text, "10.1.2.3:%u", ntohs(address.sin_port));
  CHECK_NUMBER(find(activation, text), 0);
  CHECK_NUMBER(find(activation, "0"), 0);
  CHECK_NUMBER(find(NULL, "12345"), 0);
  activation_free(activation);
  log_free(log);
}

static void is_not_ours_without_our_pid_and_a_number(void) {
  struct log *log = quiet_log();
  const struct {
    const char *pid, *count;
  } cases[] = {{"1", "1"}, {"", "1"}, {NULL, "0"}, {NULL, "-1"}, {NULL, "1x"}, {NULL, "257"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    (void)hand_down("127.0.0.1", cases[i].pid, cases[i].count);
    CHECK(activation_new(log) == NULL);
    CHECK(getenv("LISTEN_PID") == NULL);
    CHECK(getenv("LISTEN_FDS") == NULL);
    close(FIRST_DESCRIPTOR);
  }
  log_free(log);
}

static const struct check_case cases[] = {
    {"a socket is taken by one at a time, and can be given back", is_taken_by_one_at_a_time},
    {"a socket outlives each descriptor of it", outlives_each_descriptor_of_it},
    {"a socket is found by its port where the host is left open",
     is_found_where_the_host_is_left_open},
    {"a wrong LISTEN_PID or LISTEN_FDS hands nothing down",
     is_not_ours_without_our_pid_and_a_number},
};
CHECK_MAIN(cases)
