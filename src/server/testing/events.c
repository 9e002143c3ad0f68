/* server/testing/events.c — what a script under test did, as its loop's tap tells it: which connection
 * is whose peer's, how each ended, and for a replay who sent what. */
#include "server/testing/state.h"

#include "net/connect.h"
#include "net/loop.h"
#include "vm/tell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One send, or a part of it, and who sent it. */
struct sent {
  struct list link; /* in peer->sent */
  uint64_t after;   /* bytes that had come before */
  char by[200];     /* "on_data (chat.lua:12)" */
  size_t size;
  char bytes[];
};

static struct peer *find_peer(struct hosted *hosted, uint64_t conn_id) {
  LIST_EACH (struct peer, peer, &hosted->peers, link) {
    if (peer->conn_id == conn_id) return peer;
  }
  return NULL;
}

/* A connection has begun: one of those that no peer is known to have yet. */
static void note_conn(struct hosted *hosted, uint64_t id) {
  LIST_EACH (struct peer, peer, &hosted->peers, link) {
    struct conn *conn = peer->conn_id == 0 ? net_conn_on(peer->pipe) : NULL;
    if (!conn || conn_id(conn) != id) continue;
    peer->conn = conn;
    peer->conn_id = id;
    hosted->is_joined = true;
  }
}

static void describe_sender(struct hosted *hosted, const struct event *event, char *out,
                            size_t size) {
  struct event_place place = {0};
  const char *name = vm_running_handler(hosted->script->runtime.vm, &place);
  if (!name || !place.file) {
    snprintf(out, size, "%s", event->of.send.by);
    return;
  }
  const char *slash = strrchr(place.file, '/');
  snprintf(out, size, "%s (%s:%d)", name, slash ? slash + 1 : place.file, (int)place.line);
}

static void note_send(struct hosted *hosted, const struct event *event) {
  struct peer *peer = find_peer(hosted, event->conn);
  struct sent *sent = peer ? malloc(sizeof *sent + event->kept) : NULL;
  if (!sent) return;
  struct conn_counters counters = {0};
  const struct conn *conn = peer->conn;
  if (conn) conn_counters(conn, &counters);
  sent->after = counters.bytes_in;
  sent->size = event->kept;
  memcpy(sent->bytes, event->bytes, event->kept);
  describe_sender(hosted, event, sent->by, sizeof sent->by);
  list_append(&peer->sent, &sent->link);
}

static void hosted_on_event(struct tap_watcher *watcher, const struct event *event) {
  struct hosted *hosted = LIST_ELEMENT(watcher, struct hosted, watcher);
  struct peer *peer;
  switch (event->kind) {
    case EVENT_ACCEPT:
    case EVENT_CONNECT: note_conn(hosted, event->conn); break;
    case EVENT_CLOSE:
      peer = find_peer(hosted, event->conn);
      if (!peer) break;
      peer->reason = event->of.close.reason; /* static text */
      peer->conn = NULL;
      break;
    case EVENT_SEND: note_send(hosted, event); break;
    default: break;
  }
}

static void watch_kinds(struct hosted *hosted, uint64_t kinds, size_t bytes_max) {
  struct tap *tap = net_loop_tap(hosted->loop);
  hosted->watcher.kinds = kinds | UINT64_C(1) << EVENT_ACCEPT | UINT64_C(1) << EVENT_CONNECT |
                          UINT64_C(1) << EVENT_CLOSE;
  hosted->watcher.bytes_max = bytes_max;
  hosted->watcher.on_event = hosted_on_event;
  tap_add(tap, &hosted->watcher);
}

void testing_watch(struct hosted *hosted) {
  list_init(&hosted->watcher.link);
  watch_kinds(hosted, 0, 0);
}

int testing_watch_sends(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  tap_remove(net_loop_tap(hosted->loop), &hosted->watcher);
  watch_kinds(hosted, UINT64_C(1) << EVENT_SEND, EVENT_BYTES_MAX);
  return 0;
}

void testing_forget_sends(struct peer *peer) {
  for (struct list *link; (link = list_shift(&peer->sent));) {
    free(LIST_ELEMENT(link, struct sent, link));
  }
}

static void push_sent(lua_State *L, const struct sent *sent) {
  lua_createtable(L, 0, 3);
  lua_pushlstring(L, sent->bytes, sent->size);
  lua_setfield(L, -2, "bytes");
  lua_pushstring(L, sent->by);
  lua_setfield(L, -2, "by");
  lua_pushinteger(L, (lua_Integer)sent->after);
  lua_setfield(L, -2, "after");
}

int testing_push_sends(lua_State *L, struct peer *peer) {
  lua_Integer count = 0;
  lua_newtable(L);
  LIST_EACH (const struct sent, sent, &peer->sent, link) {
    push_sent(L, sent);
    lua_rawseti(L, -2, ++count);
  }
  testing_forget_sends(peer);
  return 1;
}
