/* api/broadcast.c — one copy of some bytes, or of a message's frame, to several connections. Does not know who
 * asked for it. */
#include "api/broadcast.h"

#include "api/arguments.h"
#include "api/conn.h"
#include "api/membership.h"
#include "api/runtime.h"
#include "api/service.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "base/blob.h"

#include <lauxlib.h>
#include <string.h>

/* What a connection is sent. */
enum way {
  WAY_BYTES,     /* bytes, or the frame of its service */
  WAY_WEBSOCKET, /* a frame, the same for all of them */
  WAY_MASKED,    /* a frame of its own: it is a client */
  WAY_NONE,      /* answers to requests, and nothing else */
  WAY_COUNT,
};

struct broadcast {
  lua_State *L;
  const struct audience *audience;
  struct blob *blobs[WAY_COUNT]; /* of exactly the bytes that travel; NULL: nobody needs them */
  size_t counts[WAY_COUNT];      /* of those that need them */
  const char *payload;           /* of a message */
  size_t size;
  enum websocket_opcode opcode;
  lua_Integer receivers;
};

typedef void (*visitor)(struct conn *conn, void *context);

static void visit_group(const struct group *group, visitor visit, void *context) {
  for (struct list *link = group->members.next; link != &group->members; link = link->next) {
    struct conn *conn = LIST_ELEMENT(link, struct membership, link)->self->conn;
    if (conn) visit(conn, context);
  }
}

static void visit_list(lua_State *L, int list, visitor visit, void *context) {
  lua_Integer length = (lua_Integer)lua_rawlen(L, list);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, list, i);
    struct conn *conn = api_check_conn(L, -1)->conn;
    lua_pop(L, 1);
    if (conn) visit(conn, context);
  }
}

static void visit_all(struct broadcast *broadcast, visitor visit) {
  const struct audience *audience = broadcast->audience;
  if (audience->group) {
    visit_group(audience->group, visit, broadcast);
  } else if (audience->list) {
    visit_list(broadcast->L, audience->list, visit, broadcast);
  } else {
    runtime_conn_each(runtime_of(broadcast->L), visit, broadcast);
  }
}

static enum way way_of(const struct conn *conn) {
  const struct api_conn *self = conn_owner(conn);
  if (!self) { /* no handler has seen it */
    const struct cohort *cohort = conn_group_of(conn)->owner;
    return cohort->version->receiver->requests ? WAY_NONE : WAY_BYTES;
  }
  if (self->has_requests) return WAY_NONE;
  if (!self->more->websocket) return WAY_BYTES;
  return self->more->websocket->reader.is_client ? WAY_MASKED : WAY_WEBSOCKET;
}

static bool is_meant(const struct broadcast *broadcast, const struct conn *conn) {
  return conn != broadcast->audience->except && conn_has_opened(conn) && !conn_is_closing(conn);
}

static void count(struct conn *conn, void *context) {
  struct broadcast *broadcast = context;
  if (is_meant(broadcast, conn)) broadcast->counts[way_of(conn)]++;
}

static void give(struct conn *conn, void *context) {
  struct broadcast *broadcast = context;
  lua_State *L = broadcast->L;
  if (!is_meant(broadcast, conn)) return;
  const enum way way = way_of(conn);
  struct blob *blob = broadcast->blobs[way];
  size_t size = broadcast->size;
  struct api_conn *self = conn_owner(conn);
  if (way == WAY_NONE) return;
  if (way != WAY_BYTES && !api_websocket_is_open(self)) return;
  if (way == WAY_MASKED) {
    if (api_websocket_send(self, broadcast->opcode, broadcast->payload, size) < 0) return;
  } else {
    size = blob->capacity;
    if (conn_send_begin(conn) < 0 || conn_send_shared(conn, blob, size) < 0) return;
  }
  broadcast->receivers++;
  if (api_is_told(runtime_of(L), EVENT_SEND)) api_tell_send(L, conn, size);
}

/* What travels, of three parts; NULL when memory is out. */
static struct blob *blob_of(const char *before, size_t before_size, const char *bytes, size_t size,
                            const char *after, size_t after_size) {
  struct blob *blob = blob_new(before_size + size + after_size);
  if (!blob) return NULL;
  memcpy(blob->bytes, before, before_size);
  memcpy(blob->bytes + before_size, bytes, size);
  memcpy(blob->bytes + before_size + size, after, after_size);
  return blob;
}

/* Nothing raises while blobs are held here. */
static int finish(struct broadcast *broadcast) {
  bool is_whole = true;
  for (int way = WAY_BYTES; way <= WAY_WEBSOCKET; way++) {
    if (broadcast->counts[way] > 0 && !broadcast->blobs[way]) is_whole = false;
  }
  if (is_whole) visit_all(broadcast, give);
  for (int way = WAY_BYTES; way <= WAY_WEBSOCKET; way++) blob_unref(broadcast->blobs[way]);
  if (!is_whole) return luaL_error(broadcast->L, "not enough memory");
  lua_pushinteger(broadcast->L, broadcast->receivers);
  return 1;
}

/* Replaces a list of strings at `index` by one string. Raises. */
static void join_list(lua_State *L, int index) {
  luaL_Buffer joined;
  lua_Integer length = (lua_Integer)lua_rawlen(L, index);
  api_check_list(L, index, "broadcast");
  luaL_buffinit(L, &joined);
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, index, i);
    luaL_addvalue(&joined);
  }
  luaL_pushresult(&joined);
  lua_replace(L, index);
}

int api_broadcast(lua_State *L, const struct audience *audience, int index) {
  struct broadcast broadcast = {.L = L, .audience = audience};
  if (lua_istable(L, index)) join_list(L, index);
  broadcast.payload = luaL_checklstring(L, index, &broadcast.size);
  visit_all(&broadcast, count);
  if (broadcast.counts[WAY_WEBSOCKET] + broadcast.counts[WAY_MASKED] > 0) {
    return api_refuse_bytes(L, "broadcast", "broadcast_message(message)");
  }
  if (broadcast.counts[WAY_NONE] > 0) {
    return luaL_error(
        L, "broadcast: one of these connections speaks HTTP, where bytes would be in the way "
           "of answers");
  }
  if (broadcast.counts[WAY_BYTES] > 0) {
    broadcast.blobs[WAY_BYTES] = blob_of("", 0, broadcast.payload, broadcast.size, "", 0);
  }
  return finish(&broadcast);
}

static struct blob *frame_message(lua_State *L, const char *bytes, size_t size) {
  struct frame_wrapping wrapping;
  const struct service *service = &version_of(L)->service;
  const char *fault = frame_wrap(&service->frame, "", 0, bytes, size, &wrapping);
  if (fault) luaL_error(L, "the message %s", fault);
  return blob_of(wrapping.header, wrapping.header_size, bytes, size, wrapping.trailer,
                 wrapping.trailer_size);
}

static struct blob *frame_for_websockets(const struct broadcast *broadcast) {
  char head[WEBSOCKET_HEAD_BYTES_MAX];
  const struct websocket_frame frame = {.opcode = broadcast->opcode, .size = broadcast->size};
  size_t head_size = websocket_write_head(&frame, head);
  return blob_of(head, head_size, broadcast->payload, broadcast->size, "", 0);
}

int api_broadcast_message(lua_State *L, const struct audience *audience, int index, int kind) {
  struct broadcast broadcast = {.L = L, .audience = audience};
  broadcast.payload = luaL_checklstring(L, index, &broadcast.size);
  const enum protocol protocol = version_of(L)->service.protocol;
  visit_all(&broadcast, count);
  bool has_websockets = broadcast.counts[WAY_WEBSOCKET] + broadcast.counts[WAY_MASKED] > 0 ||
                        protocol == PROTOCOL_WEBSOCKET;
  if (protocol != PROTOCOL_FRAMES && (!has_websockets || broadcast.counts[WAY_BYTES] > 0)) {
    return luaL_error(
        L, "broadcast_message: the service has no frame: say how bytes become messages, such "
           "as frame = \"line\"");
  }
  if (has_websockets) {
    broadcast.opcode = api_check_kind(L, kind, index);
  } else if (!lua_isnoneornil(L, kind)) {
    return luaL_argerror(L, kind, "only messages of WebSocket have a kind");
  }
  /* This one may raise: it comes before the other. */
  if (broadcast.counts[WAY_BYTES] > 0) {
    broadcast.blobs[WAY_BYTES] = frame_message(L, broadcast.payload, broadcast.size);
  }
  if (broadcast.counts[WAY_WEBSOCKET] > 0) {
    broadcast.blobs[WAY_WEBSOCKET] = frame_for_websockets(&broadcast);
  }
  return finish(&broadcast);
}
