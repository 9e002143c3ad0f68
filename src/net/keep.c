/* net/keep.c — what a worker has the master do, which outlives it. */
#include "net/keep.h"

#include "base/passing.h"
#include "base/worker.h"
#include "net/keep_message.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

/* A master that is stopped must not stop its workers for ever. Who has waited in vain once waits no more
 * than briefly, until it is heard of again: a reload asks many questions. */
enum { ANSWER_MS_MAX = 5000, ANSWER_AGAIN_MS = 100 };

struct kept_socket {
  const struct worker *worker;
  uint32_t id;
  unsigned users;
  bool is_group;
  struct sockaddr_un address; /* of a Unix path, whose file is the master's; or nothing */
  struct stat file;
};

static int send_request(const struct worker *worker, struct keep_request *request,
                        const char *script) {
  const size_t length = strlen(script);
  if (length >= sizeof request->script) return UV_ENAMETOOLONG;
  memcpy(request->script, script, length + 1);
  const struct iovec part = {request, offsetof(struct keep_request, script) + length + 1};
  if (passing_send(worker->master_fd, &part, 1, -1, 0) >= 0) return 0;
  return errno == EAGAIN ? UV_ETIMEDOUT : uv_translate_sys_error(errno); /* too many are unread */
}

/* The answer to an earlier question, which came too late, is passed over. */
static int receive_answer(const struct worker *worker, uint32_t serial, struct keep_answer *answer,
                          int *fd) {
  for (;;) {
    const struct iovec part = {answer, sizeof *answer};
    ssize_t size = passing_receive(worker->master_fd, &part, 1, fd, 0);
    atomic_store(&worker_own_slot(worker)->is_unanswered, size < 0 && errno == EAGAIN);
    if (size < 0) return errno == EAGAIN ? UV_ETIMEDOUT : uv_translate_sys_error(errno);
    if (size == 0) return UV_ECONNRESET; /* the master is gone */
    if (answer->serial == serial) return answer->rc;
    if (*fd >= 0) close(*fd);
  }
}

static uint32_t next_serial(const struct worker *worker) {
  struct worker_slot *slot = worker_own_slot(worker);
  return atomic_fetch_add(&slot->questions, 1) + 1;
}

static int ask(const struct worker *worker, struct keep_request *request, const char *script,
               struct keep_answer *answer, int *fd) {
  const bool is_silent = atomic_load(&worker_own_slot(worker)->is_unanswered);
  const int wait_ms = is_silent ? ANSWER_AGAIN_MS : ANSWER_MS_MAX;
  const struct timeval patience = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000L};
  (void)setsockopt(worker->master_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  (void)setsockopt(worker->master_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  request->serial = next_serial(worker);
  request->ends_ms = worker_now_ms() + (uint64_t)wait_ms;
  *fd = -1;
  int rc = send_request(worker, request, script);
  if (rc == 0) rc = receive_answer(worker, request->serial, answer, fd);
  return rc;
}

static int give_up(const struct worker *worker, uint32_t id) {
  struct keep_request request = {.kind = KEEP_GIVE_UP, .id = id};
  struct keep_answer answer;
  int fd;
  return ask(worker, &request, "", &answer, &fd);
}

static void remember_file(struct kept_socket *kept, const struct keep_wish *wish) {
  if (wish->address->sa_family != AF_UNIX) return;
  memcpy(&kept->address, wish->address, wish->address_bytes);
  if (!kept->address.sun_path[0] || lstat(kept->address.sun_path, &kept->file) < 0)
    kept->address.sun_family = AF_UNSPEC;
}

/* The master, whose it was to do, was killed. */
static void unlink_file(const struct kept_socket *kept) {
  struct stat status;
  if (kept->address.sun_family != AF_UNIX) return;
  if (lstat(kept->address.sun_path, &status) == 0 && status.st_ino == kept->file.st_ino &&
      status.st_dev == kept->file.st_dev) {
    (void)unlink(kept->address.sun_path);
  }
}

int keep_open(const struct worker *worker, const struct keep_wish *wish, struct kept_socket **out,
              int *fd, char *holder, size_t holder_size) {
  struct keep_request request = {
      .kind = KEEP_OPEN,
      .type = wish->type,
      .backlog = wish->backlog,
      .interface = wish->interface,
      .copies = wish->copies,
      .index = wish->index,
      .is_beside = wish->beside,
      .address_bytes = wish->address_bytes,
  };
  struct keep_answer answer = {0};
  holder[0] = '\0';
  *out = NULL;
  struct kept_socket *kept = malloc(sizeof *kept);
  if (!kept) return UV_ENOMEM;
  snprintf(request.given, sizeof request.given, "%s", wish->given);
  memcpy(&request.address, wish->address, wish->address_bytes);
  int rc = ask(worker, &request, wish->script, &answer, fd);
  if (rc == 0 && *fd < 0) { /* it found no place here, and the master believes that it did */
    (void)give_up(worker, answer.id);
    rc = UV_EMFILE;
  }
  if (rc < 0) {
    snprintf(holder, holder_size, "%s", answer.script);
    free(kept);
    return rc;
  }
  *kept = (struct kept_socket){
      .worker = worker, .id = answer.id, .users = 1, .is_group = answer.is_group};
  remember_file(kept, wish);
  *out = kept;
  return 0;
}

struct kept_socket *keep_share(struct kept_socket *kept, const char *script) {
  if (!kept) return NULL;
  struct keep_request request = {.kind = KEEP_PASS_ON, .id = kept->id};
  struct keep_answer answer;
  int fd;
  (void)ask(kept->worker, &request, script, &answer, &fd);
  kept->users++;
  return kept;
}

int keep_adopt(const struct kept_socket *kept, uint32_t place, int *fd) {
  struct keep_request request = {.kind = KEEP_ADOPT, .id = kept->id, .index = place};
  struct keep_answer answer;
  int rc = ask(kept->worker, &request, "", &answer, fd);
  return rc == 0 && *fd < 0 ? UV_EMFILE : rc;
}

void keep_release(struct kept_socket *kept) {
  if (!kept || --kept->users > 0) return;
  int rc = give_up(kept->worker, kept->id);
  if (rc == UV_EPIPE || rc == UV_ECONNRESET) unlink_file(kept);
  free(kept);
}

bool keep_is_group(const struct kept_socket *kept) {
  return kept && kept->is_group;
}

uint32_t keep_id(const struct kept_socket *kept) {
  return kept->id;
}

int keep_home(const struct worker *worker, const char *script, unsigned *number) {
  struct keep_request request = {.kind = KEEP_HOME};
  struct keep_answer answer;
  int fd;
  int rc = ask(worker, &request, script, &answer, &fd);
  if (rc == 0) *number = answer.number;
  return rc;
}

void keep_forget(const struct worker *worker, const char *script) {
  struct keep_request request = {.kind = KEEP_FORGET};
  struct keep_answer answer;
  int fd;
  (void)ask(worker, &request, script, &answer, &fd);
}

static void tell(const struct worker *worker, enum keep_kind kind) {
  struct keep_request request = {.kind = kind};
  (void)send_request(worker, &request, "");
}

void keep_tell_ready(const struct worker *worker) {
  tell(worker, KEEP_READY);
}

void keep_tell_reloading(const struct worker *worker) {
  tell(worker, KEEP_RELOADING);
}

void keep_tell_shutdown(const struct worker *worker) {
  tell(worker, KEEP_SHUTDOWN);
}

void keep_tell_upgrade(const struct worker *worker, uint32_t limit_ms) {
  struct keep_request request = {.kind = KEEP_UPGRADE, .id = limit_ms};
  (void)send_request(worker, &request, "");
}

void keep_tell_serving(const struct kept_socket *kept) {
  if (!kept) return;
  struct keep_request request = {.kind = KEEP_SERVE, .id = kept->id};
  (void)send_request(kept->worker, &request, "");
}
