/* keeper_test.c — what the keeper opens, finds again and gives up; from outside, tests/workers_keep_spec.lua
 * tries the rest. */
#include "check.h"

#include "base/address.h"
#include "base/worker.h"
#include "master/homes.h"
#include "master/keeper.h"
#include "net/keep.h"
#include "net/keep_message.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

static struct keep_request wish(const char *script, int type, uint16_t port, unsigned copies) {
  struct keep_request request = {.kind = KEEP_OPEN, .type = type, .backlog = 16, .copies = copies};
  struct sockaddr_in *address = (struct sockaddr_in *)&request.address;
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &address->sin_addr);
  request.address_bytes = sizeof *address;
  (void)snprintf(request.script, sizeof request.script, "%s", script);
  return request;
}

static uint16_t port_of(int fd) {
  struct sockaddr_in address = {0};
  socklen_t size = sizeof address;
  CHECK_NUMBER(getsockname(fd, (struct sockaddr *)&address, &size), 0);
  return ntohs(address.sin_port);
}

static void give_up(struct keeper *keeper, unsigned number, uint32_t id) {
  const struct keep_request request = {.kind = KEEP_GIVE_UP, .id = id};
  keeper_give_up(keeper, number, &request);
}

static bool is_free(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  const int on = 1;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
  close(fd);
  return rc == 0;
}

static void finds_again(int type) {
  struct keeper *keeper = keeper_new();
  struct keep_request request = wish("a.lua", type, 0, 1);
  struct keep_answer answer = {0};
  int fd = keeper_open(keeper, 1, &request, &answer);
  CHECK_NUMBER(answer.rc, 0);
  keeper_on_start(keeper, 1);
  CHECK_NUMBER(keeper_open(keeper, 1, &request, &answer), fd);
  keeper_sweep(keeper, 1);
  struct keep_request exact = wish("a.lua", type, port_of(fd), 1);
  CHECK_NUMBER(keeper_open(keeper, 1, &exact, &answer), fd);
  request.index = 1;
  CHECK(keeper_open(keeper, 1, &request, &answer) != fd);
  keeper_free(keeper);
}

static void finds_stream_again(void) {
  finds_again(SOCK_STREAM);
}

static void finds_datagrams_again(void) {
  finds_again(SOCK_DGRAM);
}

static void tells_holder(void) {
  struct keeper *keeper = keeper_new();
  struct keep_answer answer = {0};
  struct keep_request request = wish("a.lua", SOCK_STREAM, 0, 1);
  int fd = keeper_open(keeper, 1, &request, &answer);
  struct keep_request other = wish("b.lua", SOCK_STREAM, port_of(fd), 1);
  CHECK_NUMBER(keeper_open(keeper, 2, &other, &answer), -1);
  CHECK_NUMBER(answer.rc, UV_EADDRINUSE);
  CHECK_TEXT(answer.script, "a.lua");
  keeper_free(keeper);
}

static void has_one_for_each(int type) {
  struct keeper *keeper = keeper_new();
  struct keep_answer answer = {0};
  struct keep_request request = wish("a.lua", type, 0, 3);
  int first = keeper_open(keeper, 1, &request, &answer);
  int second = keeper_open(keeper, 2, &request, &answer);
  int third = keeper_open(keeper, 3, &request, &answer);
  CHECK_NUMBER(answer.rc, 0);
  CHECK(answer.is_group);
  CHECK(first != second && second != third && first != third);
  CHECK_NUMBER(port_of(second), port_of(first));
  CHECK_NUMBER(port_of(third), port_of(first));
  CHECK_NUMBER(keeper_open(keeper, 2, &request, &answer), second);
  give_up(keeper, 1, answer.id);
  CHECK_NUMBER(keeper_open(keeper, 2, &request, &answer), second);
  CHECK_NUMBER(keeper_open(keeper, 3, &request, &answer), third);
  keeper_free(keeper);
}

static void has_stream_for_each(void) {
  has_one_for_each(SOCK_STREAM);
}

static void has_datagrams_for_each(void) {
  has_one_for_each(SOCK_DGRAM);
}

static void closes_with_last(void) {
  struct keeper *keeper = keeper_new();
  struct keep_answer answer = {0};
  struct keep_request request = wish("a.lua", SOCK_STREAM, 0, 2);
  uint16_t port = port_of(keeper_open(keeper, 1, &request, &answer));
  (void)keeper_open(keeper, 2, &request, &answer);
  give_up(keeper, 1, answer.id);
  CHECK(!is_free(port));
  give_up(keeper, 2, answer.id);
  CHECK(is_free(port));
  keeper_free(keeper);
}

/* It was removed while its worker was dead: nobody would ever accept there. */
static void closes_what_is_not_asked_for_again(void) {
  struct keeper *keeper = keeper_new();
  struct keep_answer answer = {0};
  struct keep_request request = wish("a.lua", SOCK_STREAM, 0, 1);
  uint16_t port = port_of(keeper_open(keeper, 1, &request, &answer));
  keeper_on_start(keeper, 1);
  CHECK(!is_free(port));
  keeper_sweep(keeper, 1);
  CHECK(is_free(port));
  keeper_free(keeper);
}

static void spreads_homes(void) {
  struct homes *homes = homes_new(2);
  CHECK_NUMBER(homes_find(homes, "a.lua"), 1);
  CHECK_NUMBER(homes_find(homes, "b.lua"), 2);
  CHECK_NUMBER(homes_find(homes, "c.lua"), 1);
  CHECK_NUMBER(homes_find(homes, "b.lua"), 2);
  homes_forget(homes, "a.lua");
  homes_forget(homes, "c.lua");
  CHECK_NUMBER(homes_find(homes, "d.lua"), 1);
  CHECK_NUMBER(homes_find(homes, "c.lua"), 1);
  homes_forget(homes, "b.lua");
  CHECK_NUMBER(homes_find(homes, "b.lua"), 2);
  homes_free(homes);
}

/* The answer came, and its descriptor did not. */
static void gives_up_what_found_no_descriptor(void) {
  int ends[2];
  CHECK_NUMBER(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  struct worker worker = {.number = 1, .count = 1, .page = worker_page_new(), .master_fd = ends[0]};
  struct sockaddr_in address = {.sin_family = AF_INET};
  const struct keep_wish wish = {.address = (struct sockaddr *)&address,
                                 .address_bytes = sizeof address,
                                 .type = SOCK_STREAM,
                                 .script = "a.lua",
                                 .given = "0",
                                 .copies = 1};
  for (uint32_t serial = 1; serial <= 2; serial++) {
    const struct keep_answer answer = {.serial = serial, .id = 7};
    CHECK_NUMBER(send(ends[1], &answer, sizeof answer, 0), sizeof answer);
  }
  struct kept_socket *kept;
  char holder[16];
  int fd;
  CHECK_NUMBER(keep_open(&worker, &wish, &kept, &fd, holder, sizeof holder), UV_EMFILE);
  struct keep_request request;
  CHECK(recv(ends[1], &request, sizeof request, 0) > 0);
  CHECK_NUMBER(request.kind, KEEP_OPEN);
  CHECK(recv(ends[1], &request, sizeof request, MSG_DONTWAIT) > 0);
  CHECK_NUMBER(request.kind, KEEP_GIVE_UP);
  CHECK_NUMBER(request.id, 7);
  worker_page_free(worker.page);
  close(ends[0]);
  close(ends[1]);
}

static const struct check_case cases[] = {
    {"a socket whose descriptor finds no place in the worker is given up",
     gives_up_what_found_no_descriptor},
    {"a worker that is started again gets its socket, and its port", finds_stream_again},
    {"the same with datagrams", finds_datagrams_again},
    {"an address of another script is in use, and whose it is is told", tells_holder},
    {"each worker has a socket of its own when a script runs in several", has_stream_for_each},
    {"the same with datagrams", has_datagrams_for_each},
    {"a socket is closed when the last worker gives it up", closes_with_last},
    {"a socket that nobody asks for again is closed", closes_what_is_not_asked_for_again},
    {"a script lives where the fewest do", spreads_homes},
};

CHECK_MAIN(cases)
