/* server/testing/peer.c — moonport.test.end: the far end of a connection of a script under test. What
 * the script sent is taken at once, as a peer that reads does; while it is paused, as much as a kernel
 * had room for. Its own FIN follows the script's, as with most clients. */
#include "server/testing/state.h"

#include "api/conn.h"
#include "api/frame.h"
#include "net/transport/memory.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

const char testing_peer_type[] = "moonport.test.end";

/* --- Between two calls of the test ----------------------------------------------------------- */

static bool keep_bytes(struct peer *peer, const char *bytes, size_t size) {
  if (peer->size + size > peer->capacity) {
    size_t capacity = 2 * (peer->size + size);
    char *grown = realloc(peer->bytes, capacity);
    if (!grown) return false;
    peer->bytes = grown;
    peer->capacity = capacity;
  }
  memcpy(peer->bytes + peer->size, bytes, size);
  peer->size += size;
  return true;
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
    if (size == 0 || !keep_bytes(peer, bytes, size)) return took;
    if (peer->room != SIZE_MAX) peer->room -= size;
    memory_settings(peer->pipe)->window_bytes = peer->room;
    memory_take(peer->pipe, NULL, size);
    took = true;
  }
}

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
  peer->has_finished = true;
  return memory_finish(peer->pipe);
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

static bool is_heard(const struct peer *peer) {
  return !peer->has_finished && !peer->has_reset && !peer->got_reset && !peer->reason;
}

/* With all the room that is needed: what the script does not read waits. */
static bool send_whole(struct peer *peer, const char *bytes, size_t size) {
  struct memory_settings *settings = memory_settings(peer->pipe);
  settings->window_bytes = SIZE_MAX;
  bool sent = size == 0 || memory_send(peer->pipe, bytes, size) == size;
  settings->window_bytes = peer->room;
  return sent;
}

/* peer:send(bytes) -> whether the script's side is there to take them */
static int l_send(lua_State *L) {
  struct peer *peer = check(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  if (!is_heard(peer)) return push_flag(L, false);
  if (!send_whole(peer, bytes, size)) return luaL_error(L, "not enough memory");
  return push_flag(L, true);
}

/* peer:finish(): FIN */
static int l_finish(lua_State *L) {
  struct peer *peer = check(L);
  if (is_heard(peer)) peer->has_finished = memory_finish(peer->pipe);
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

/* --- Messages -------------------------------------------------------------------------------- */

/* What its connection is served by, or would be; NULL when the script has ended, or has no frame. */
static const struct frame_format *frame_of(const struct peer *peer) {
  const struct conn *conn = peer->conn;
  if (!peer->hosted->script) return NULL;
  const struct version *version = script_runtime(peer->hosted->script)->current;
  if (conn && conn_group_of(conn)->events == &api_conn_events) {
    const struct cohort *cohort = conn_group_of(conn)->owner;
    version = cohort->version;
  }
  return version->service.framed ? &version->service.frame : NULL;
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
      {"wrap", l_wrap},
      {"next_message", l_next_message},
      {NULL, NULL},
  };
  testing_handle_open(L, testing_peer_type, methods);
}
