/* net/defer.c — something to do in the next turn of the loop. Knows libuv, not Lua. */
#include "net/defer.h"

#include "net/loop.h"

#include <stdlib.h>
#include <uv.h>

struct net_defer {
  uv_idle_t idle; /* an active one keeps the loop from sleeping */
  void (*on_turn)(void *owner);
  void *owner;
};

static void on_idle(uv_idle_t *idle) {
  struct net_defer *defer = idle->data;
  uv_idle_stop(idle);
  defer->on_turn(defer->owner);
}

struct net_defer *net_defer_new(struct net_loop *loop, void (*on_turn)(void *owner), void *owner) {
  struct net_defer *defer = malloc(sizeof *defer);
  if (!defer) return NULL;
  uv_idle_init(net_loop_uv(loop), &defer->idle);
  defer->idle.data = defer;
  defer->on_turn = on_turn;
  defer->owner = owner;
  return defer;
}

void net_defer_ask(struct net_defer *defer) {
  uv_idle_start(&defer->idle, on_idle); /* nothing happens when it is active already */
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void net_defer_close(struct net_defer *defer) {
  uv_close((uv_handle_t *)&defer->idle, on_closed);
}
