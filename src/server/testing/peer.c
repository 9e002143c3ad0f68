/* server/testing/peer.c — moonport.test.end: the far end of a connection of a script under test. What
 * the script sent is taken at once, as a peer that reads does; while it is paused, as much as a kernel
 * had room for. Its own FIN follows the script's, as with most clients. */
#include "server/testing/state.h"

#include "api/conn.h"
#include "api/frame.h"
#include "api/tls_object.h"
#include "base/grow.h"
#include "net/conn_tls.h"
#include "net/tls/hand.h"
#include "net/transport/memory.h"

#include <stdlib.h>
#include <string.h>

const char testing_peer_type[] = "moonport.test.end";

/* --- What it sends, and what comes ----------------------------------------------------------- */

static bool is_heard(const struct peer *peer) {
  return !peer->has_finished && !peer->has_reset && !peer->got_reset && !peer->reason;
}

/* With all the room that is needed: what the script does not read waits. */
static bool send_whole(void *owner, const char *bytes, size_t size) {
  struct peer *peer = owner;
  struct memory_settings *settings = memory_settings(peer->pipe);
  settings->window_bytes = SIZE_MAX;
  bool sent = size == 0 || memory_send(peer->pipe, bytes, size) == size;
  settings->window_bytes = peer->room;
  return sent;
}

/* What TLS has to say, to who still listens. False when memory is out. */
static bool flush(struct peer *peer) {
  return !is_heard(peer) || tls_hand_flush(peer->tls, send_whole, peer);
}

/* FIN, after close_notify. */
static void say_fin(struct peer *peer) {
  if (peer->tls) {
    tls_hand_finish(peer->tls);
    (void)flush(peer);
  }
  peer->has_finished = memory_finish(peer->pipe);
}

enum { BYTES_FIRST = 1024 }; /* room for what a peer receives */

static bool keep_bytes(struct peer *peer, const char *bytes, size_t size) {
  if (!grow_bytes(&peer->bytes, &peer->capacity, peer->size + size, BYTES_FIRST)) return false;
  memcpy(peer->bytes + peer->size, bytes, size);
  peer->size += size;
  return true;
}

/* Keeps the text of what came. Where TLS fails the peer ends, as most do. False: memory is out. */
static bool decrypt(struct peer *peer, const char *bytes, size_t size) {
  char text[4096];
  bool fits = tls_hand_feed(peer->tls, bytes, size);
  for (size_t got; fits && (got = tls_hand_read(peer->tls, text, sizeof text)) > 0;) {
    fits = keep_bytes(peer, text, got);
  }
  if (!flush(peer)) return false;
  if (tls_hand_fault(peer->tls) && is_heard(peer)) say_fin(peer);
  return fits;
}

/* What finds room in the pipe. */
static void set_room(struct peer *peer, size_t room) {
  peer->room = room;
  memory_settings(peer->pipe)->window_bytes = room;
  memory_take(peer->pipe, NULL, 0); /* what waits for room moves up */
}

/* True when there were any. */
static bool take_bytes(struct peer *peer) {
  const char *bytes;
  bool took = false;
  for (;;) {
    size_t size = memory_waiting(peer->pipe, &bytes);
    if (size > peer->room) size = peer->room;
    if (size == 0) return took;
    if (!(peer->tls ? decrypt(peer, bytes, size) : keep_bytes(peer, bytes, size))) return took;
    if (peer->room != SIZE_MAX) peer->room -= size;
    memory_settings(peer->pipe)->window_bytes = peer->room;
    memory_take(peer->pipe, NULL, size);
    took = true;
  }
}

/* --- Between two calls of the test ----------------------------------------------------------- */

/* True when it did something from which more may follow. */
bool testing_attend(struct peer *peer) {
  struct memory_seen seen = memory_seen(peer->pipe);
  bool took = !peer->has_reset && take_bytes(peer);
  if (seen.closed && peer->room > 0) {
    list_remove(&peer->link);
    list_append(&peer->hosted->ended, &peer->link);
  }
  if (peer->has_reset) return false;
  if (seen.reset) peer->got_reset = true;
  if (seen.finished && !seen.reset && peer->room > 0) peer->got_fin = true;
  if (!peer->got_fin || peer->stays || peer->has_finished || peer->got_reset) return took;
  say_fin(peer);
  return peer->has_finished;
}

struct peer *testing_peer_new(struct hosted *hosted, struct memory_pipe *pipe, bool stays) {
  struct peer *peer = calloc(1, sizeof *peer);
  if (!peer) return NULL;
  *peer = (struct peer){.hosted = hosted, .pipe = pipe, .stays = stays, .room = SIZE_MAX};
  peer->conn_object = LUA_NOREF;
  list_init(&peer->sent);
  list_init(&peer->waiting_link);
  memory_settings(pipe)->window_bytes = SIZE_MAX;
  list_append(&hosted->peers, &peer->link);
  return peer;
}

void testing_peer_free(struct peer *peer) {
  lua_State *L = vm_state(peer->hosted->testing->runtime->vm);
  testing_handle_close(&peer->handle);
  list_remove(&peer->link);
  list_remove(&peer->waiting_link);
  testing_forget_sends(peer);
  luaL_unref(L, LUA_REGISTRYINDEX, peer->conn_object);
  memory_free(peer->pipe);
  tls_hand_free(peer->tls);
  free(peer->bytes);
  free(peer);
}

/* --- What a test calls ----------------------------------------------------------------------- */

static struct peer *check(lua_State *L) {
  return testing_handle_check(L, 1, testing_peer_type);
}

static int push_flag(lua_State *L, bool flag) {
  lua_pushboolean(L, flag);
  return 1;
}

/* peer:send(bytes) -> whether the script's side is there to take them [, why they cannot be sent] */
static int l_send(lua_State *L) {
  struct peer *peer = check(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  if (!is_heard(peer)) return push_flag(L, false);
  if (peer->tls && !tls_hand_write(peer->tls, bytes, size)) {
    lua_pushboolean(L, false);
    lua_pushliteral(L,
                    "the script has not answered the TLS handshake of this peer: see peer:tls()");
    return 2;
  }
  bool sent = peer->tls ? flush(peer) : send_whole(peer, bytes, size);
  return sent ? push_flag(L, true) : luaL_error(L, "not enough memory");
}

/* peer:finish(): FIN */
static int l_finish(lua_State *L) {
  struct peer *peer = check(L);
  if (is_heard(peer)) say_fin(peer);
  return 0;
}

/* peer:reset(): RST */
static int l_reset(lua_State *L) {
  struct peer *peer = check(L);
  peer->has_reset = memory_reset(peer->pipe);
  return 0;
}

/* peer:take() -> what came and was not taken yet */
static int l_take(lua_State *L) {
  struct peer *peer = check(L);
  lua_pushlstring(L, peer->bytes ? peer->bytes : "", peer->size);
  peer->size = 0;
  return 1;
}

/* peer:take_sends() -> see hosted:watch_sends() */
static int l_take_sends(lua_State *L) {
  return testing_push_sends(L, check(L));
}

/* peer:pause(room): so many bytes more find room */
static int l_pause(lua_State *L) {
  struct peer *peer = check(L);
  lua_Integer room = luaL_checkinteger(L, 2);
  luaL_argcheck(L, room >= 0, 2, "must be 0 or more bytes");
  set_room(peer, (size_t)room);
  return 0;
}

/* peer:resume() */
static int l_resume(lua_State *L) {
  struct peer *peer = check(L);
  set_room(peer, SIZE_MAX);
  list_remove(&peer->link);
  list_append(&peer->hosted->peers, &peer->link);
  return 0;
}

/* peer:leave(): from now on its FIN follows the script's */
static int l_leave(lua_State *L) {
  check(L)->stays = false;
  return 0;
}

/* peer:seen() -> got FIN, got RST, the reason as on_close is told or nil: of the script's side */
static int l_seen(lua_State *L) {
  const struct peer *peer = check(L);
  lua_pushboolean(L, peer->got_fin);
  lua_pushboolean(L, peer->got_reset);
  lua_pushstring(L, peer->reason);
  return 3;
}

/* peer:conn() -> the script's object, or nil */
static int l_conn(lua_State *L) {
  const struct peer *peer = check(L);
  const struct conn *conn = peer->conn;
  if (peer->conn_object == LUA_NOREF && conn && conn_owner(conn)) {
    api_push_conn(L, conn_owner(conn));
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, peer->conn_object); /* nil for none */
  }
  return 1;
}

/* --- TLS ------------------------------------------------------------------------------------- */

static const char *directory_of(const struct hosted *hosted) {
  return hosted->script ? vm_script_directory(hosted->script->runtime.vm) : NULL;
}

/* Pushes what it begins with, by the options at `index`; NULL: a sentence of what is wrong. */
static struct tls_object *push_context(lua_State *L, int index, bool is_server,
                                       const char *directory) {
  struct tls_object *object = api_push_tls_object(L);
  object->is_server = is_server;
  object->directory = directory;
  if (api_misuses_tls(L, index, is_server, "a peer")) return NULL;
  if (api_make_tls_object(L, index, object) != TLS_MADE) return NULL;
  if (!object->verifies || object->name[0]) return object;
  lua_pushliteral(L, "tls.name is missing: who is the script to prove to be?");
  return NULL;
}

/* peer:secure(is_server, options, came) -> nothing, or a sentence of what is wrong with the options.
 * From now on it speaks TLS; `came`: of the handshake, before this. Options that verify have a `ca`. */
static int l_secure(lua_State *L) {
  struct peer *peer = check(L);
  size_t size;
  const char *came = luaL_checklstring(L, 4, &size);
  if (!is_heard(peer)) return 0;
  const struct tls_object *object =
      push_context(L, 3, lua_toboolean(L, 2), directory_of(peer->hosted));
  if (!object) return 1;
  peer->tls = tls_hand_new(object->context, object->name[0] ? object->name : NULL);
  if (!peer->tls || !decrypt(peer, came, size)) return luaL_error(L, "not enough memory");
  return 0;
}

static const char *why_no_tls(const struct peer *peer) {
  const char *fault = peer->tls ? tls_hand_fault(peer->tls) : NULL;
  if (fault) return fault;
  if (!is_heard(peer) || peer->got_fin) return "the connection has ended";
  return peer->tls ? "the script has not answered the handshake" : "this peer speaks plain text";
}

/* peer:tls() -> facts as those of conn.tls | nil, why there are none */
static int l_tls(lua_State *L) {
  const struct peer *peer = check(L);
  struct conn_tls tls = {0};
  if (peer->tls) tls_hand_facts(peer->tls, &tls);
  if (!tls.version || tls.fault) {
    luaL_pushfail(L);
    lua_pushstring(L, why_no_tls(peer));
    return 2;
  }
  tls.is_truncated = tls.is_truncated && peer->got_fin;
  api_push_tls_facts(L, &tls);
  return 1;
}

/* --- Messages -------------------------------------------------------------------------------- */

/* What its connection is served by, or would be; NULL when the script has ended, or has no frame. */
static const struct frame_format *frame_of(const struct peer *peer) {
  const struct conn *conn = peer->conn;
  if (!peer->hosted->script) return NULL;
  const struct version *version = peer->hosted->script->runtime.current;
  if (conn && conn_group_of(conn)->events == &api_conn_events) {
    const struct cohort *cohort = conn_group_of(conn)->owner;
    version = cohort->version;
  }
  return version->service.protocol == PROTOCOL_FRAMES ? &version->service.frame : NULL;
}

/* peer:wrap(message [, prefix]) -> bytes | nil, fault | nil, when there is no frame */
static int l_wrap(lua_State *L) {
  const struct frame_format *format = frame_of(check(L));
  if (!format || !api_push_wrapped(L, format)) return format ? 1 : 0;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

/* peer:next_message(bytes) -> bytes used, message [, prefix] | 0 | nil, fault | nil, when there is no
 * frame */
static int l_next_message(lua_State *L) {
  const struct frame_format *served = frame_of(check(L));
  struct frame_slice slice;
  size_t size, scanned = 0;
  const char *bytes = luaL_checklstring(L, 2, &size);
  if (!served) return 0;
  struct frame_format format = *served;
  format.message_bytes_max = FRAME_MESSAGE_BYTES_MAX; /* the limit is the script's */
  enum frame_result result = frame_next(&format, &scanned, bytes, size, &slice);
  if (result == FRAME_MESSAGE) {
    lua_pushinteger(L, (lua_Integer)slice.consumed);
    return 1 + api_push_message(L, &format, bytes, &slice);
  }
  if (result == FRAME_MORE) {
    lua_pushinteger(L, 0);
    return 1;
  }
  luaL_pushfail(L);
  lua_pushstring(L, slice.fault);
  return 2;
}

void testing_open_peer(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"send", l_send},
      {"finish", l_finish},
      {"reset", l_reset},
      {"take", l_take},
      {"take_sends", l_take_sends},
      {"pause", l_pause},
      {"resume", l_resume},
      {"leave", l_leave},
      {"seen", l_seen},
      {"conn", l_conn},
      {"secure", l_secure},
      {"tls", l_tls},
      {"wrap", l_wrap},
      {"next_message", l_next_message},
      {NULL, NULL},
  };
  testing_handle_open(L, testing_peer_type, methods);
}
