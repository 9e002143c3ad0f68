/* net/work.c — what would hold the loop up is done in another thread. Knows libuv, not Lua. */
#include "net/work.h"

#include "net/defer.h"
#include "net/loop_state.h"

#include <stdlib.h>

struct net_work {
  uv_work_t request;
  struct net_defer *defer; /* in place of it, of a simulated loop */
  void (*run)(void *context);
  void (*done)(void *context);
  void *context;
};

static void work_end(struct net_work *work) {
  const struct net_work ended = *work;
  free(work);
  ended.done(ended.context);
}

static void work_on_run(uv_work_t *request) {
  const struct net_work *work = LIST_ELEMENT(request, struct net_work, request);
  work->run(work->context);
}

static void work_on_done(uv_work_t *request, int status) {
  (void)status; /* nobody cancels it */
  work_end(LIST_ELEMENT(request, struct net_work, request));
}

static void work_on_turn(void *owner) {
  struct net_work *work = owner;
  net_defer_close(work->defer);
  work_end(work);
}

static int work_run_now(struct net_loop *loop, struct net_work *work) {
  work->defer = net_defer_new(loop, work_on_turn, work);
  if (!work->defer) return UV_ENOMEM;
  work->run(work->context);
  net_defer_ask(work->defer);
  return 0;
}

int net_work(struct net_loop *loop, void (*run)(void *context), void (*done)(void *context),
             void *context) {
  struct net_work *work = malloc(sizeof *work);
  if (!work) return UV_ENOMEM;
  *work = (struct net_work){.run = run, .done = done, .context = context};
  int rc = loop->is_simulated ? work_run_now(loop, work)
                              : uv_queue_work(&loop->uv, &work->request, work_on_run, work_on_done);
  if (rc < 0) free(work);
  return rc;
}
