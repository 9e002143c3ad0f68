/* net/defer.c — something to do in the next turn of the loop. Knows libuv, not Lua. */
#include "net/defer.h"

#include "net/loop_state.h"

#include <stdlib.h>

struct net_defer {
  uv_idle_t idle;   /* an active one keeps the loop from sleeping */
  struct list link; /* in loop->turns instead, of a simulated loop */
  struct net_loop *loop;
  void (*on_turn)(void *owner);
  void *owner;
};

static void defer_on_idle(uv_idle_t *idle) {
  struct net_defer *defer = idle->data;
  uv_idle_stop(idle);
  defer->on_turn(defer->owner);
}

struct net_defer *net_defer_new(struct net_loop *loop, void (*on_turn)(void *owner), void *owner) {
  struct net_defer *defer = malloc(sizeof *defer);
  if (!defer) return NULL;
  defer->loop = loop;
  defer->on_turn = on_turn;
  defer->owner = owner;
  list_init(&defer->link);
  defer->idle.data = defer;
  if (!loop->is_simulated) uv_idle_init(&loop->uv, &defer->idle);
  return defer;
}

void net_defer_ask(struct net_defer *defer) {
  if (!defer->loop->is_simulated) {
    uv_idle_start(&defer->idle, defer_on_idle); /* nothing happens when it is active already */
  } else if (list_empty(&defer->link)) {
    list_append(&defer->loop->turns, &defer->link);
  }
}

bool net_defer_run_first(struct net_loop *loop) {
  if (list_empty(&loop->turns)) return false;
  struct net_defer *defer = LIST_ELEMENT(loop->turns.next, struct net_defer, link);
  list_remove(&defer->link);
  defer->on_turn(defer->owner);
  return true;
}

static void defer_on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void net_defer_close(struct net_defer *defer) {
  if (!defer->loop->is_simulated) {
    uv_close((uv_handle_t *)&defer->idle, defer_on_closed);
    return;
  }
  list_remove(&defer->link);
  free(defer);
}
