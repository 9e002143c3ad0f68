/* master/answer.c — what workers ask the master, and tell it. */
#include "base/log.h"
#include "base/passing.h"
#include "master/homes.h"
#include "master/keeper.h"
#include "master/state.h"
#include "net/keep_message.h"

#include <stddef.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

static bool all_are_ready(const struct master *master) {
  for (unsigned i = 0; i < master->count; i++) {
    if (!master->children[i].is_ready || master->children[i].is_reloading) return false;
  }
  return true;
}

static void on_ready(struct master *master, unsigned index) {
  struct child *child = &master->children[index];
  const bool is_back = child->was_ready && !child->is_ready;
  const bool was_ready = all_are_ready(master);
  child->is_ready = child->was_ready = true;
  child->is_reloading = false;
  child->silent_ms = 0; /* it was watched from its start, too */
  if (is_back) child->sweep_ms = worker_now_ms() + SWEEP_MS;
  master->is_ready = master->is_ready || all_are_ready(master);
  if (is_back) {
    log_printf(master->options->log, LOG_INFO, "worker %u (process %ld) serves again", index + 1,
               (long)child->pid);
  } else if (!was_ready && all_are_ready(master)) {
    if (succession_is_held(master)) {
      succession_on_ready(master);
    } else {
      master_tell_ready(master);
    }
  }
}

static void on_reloading(struct master *master, unsigned index) {
  const bool is_first = all_are_ready(master);
  master->children[index].is_reloading = true;
  if (is_first) notify_reloading(&master->notify);
}

/* Of a worker that alone was told to end, the successor will have it. An upgrade offers what there was when
 * it began: until it has ended, nothing of that is closed. */
static void on_give_up(struct master *master, unsigned number, const struct keep_request *request) {
  const enum worker_phase phase = atomic_load(&master->page->slots[number - 1].phase);
  const bool is_succeeded = phase == WORKER_LEAVING && !master->is_ending;
  struct child *child = &master->children[number - 1];
  if (master->upgrade || is_succeeded) {
    keeper_put_by(master->keeper, number, request);
    const bool is_swept = child->sweep_ms > 0 || !child->is_ready || is_succeeded;
    if (!is_swept) child->sweep_ms = worker_now_ms(); /* as soon as that may be */
  } else {
    keeper_give_up(master->keeper, number, request);
  }
}

static int answer(struct master *master, unsigned number, const struct keep_request *request,
                  struct keep_answer *answer) {
  switch (request->kind) {
    case KEEP_OPEN: return keeper_open(master->keeper, number, request, answer);
    case KEEP_ADOPT: return keeper_lend(master->keeper, number, request, answer);
    case KEEP_PASS_ON: keeper_pass_on(master->keeper, request); break;
    case KEEP_GIVE_UP: on_give_up(master, number, request); break;
    case KEEP_HOME:
      answer->number = homes_find(master->homes, request->script);
      if (answer->number == 0) answer->rc = UV_ENOMEM;
      break;
    case KEEP_FORGET: homes_forget(master->homes, request->script); break;
    case KEEP_READY: on_ready(master, number - 1); break;
    case KEEP_RELOADING: on_reloading(master, number - 1); break;
    case KEEP_SERVE: keeper_serve(master->keeper, number, request); break;
    case KEEP_SHUTDOWN: master->is_ending = true; break;
    case KEEP_UPGRADE: upgrade_begin(master, "command upgrade", request->id, number); break;
  }
  return -1;
}

/* False: there is none. */
static bool take_question(struct master *master, unsigned index) {
  const int fd = master->children[index].questions_fd;
  struct keep_request request;
  const struct iovec part = {&request, sizeof request};
  int came = -1;
  ssize_t size = passing_receive(fd, &part, 1, &came, MSG_DONTWAIT);
  if (came >= 0) close(came);
  if (size <= (ssize_t)offsetof(struct keep_request, script)) return false;
  /* Nobody would accept there, and whoever came would wait for ever. */
  if (request.kind == KEEP_OPEN && worker_now_ms() >= request.ends_ms) return true;
  struct keep_answer reply = {.serial = request.serial};
  const struct iovec said = {&reply, sizeof reply};
  int given = answer(master, index + 1, &request, &reply);
  /* It waits for it, or is gone. */
  if (request.kind < KEEP_READY) (void)passing_send(fd, &said, 1, given, MSG_DONTWAIT);
  return true;
}

void answer_all(struct master *master, unsigned index) {
  bool any = false;
  while (take_question(master, index)) any = true;
  if (any) master_arrange(master);
}
