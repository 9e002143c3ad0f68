/* api/send_file.c — conn:send_file: a file's bytes to a peer, as fast as it takes them. Knows no transport.
 *
 * Pieces are read in another thread, each into a blob that the output queue then holds, so that they are
 * never Lua's; the next one is read when the queue is below its low-water mark. sendfile(2) would copy once
 * less, but wait for the disk in the loop's thread, and know neither TLS nor a network in memory. */
#include "api/conn.h"

#include "api/arguments.h"
#include "api/disk.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"
#include "base/blob.h"

#include <fcntl.h>
#include <lauxlib.h>

static const char type_name[] = "moonport.conn.sending";

enum { PIECE_BYTES_MIN = 4096, PIECE_BYTES_MAX = 256 * 1024 };

/* Indices of the coroutine's stack. */
enum { CONN = 1, PATH, FROM, SIZE, SENDING, DISK };

/* The payload of a userdata. */
struct sending {
  struct api_descriptor *descriptor; /* NULL until it is open */
  off_t at;
  uint64_t left;
  uint64_t sent;
};

static int l_sending_gc(lua_State *L) {
  struct sending *sending = luaL_checkudata(L, 1, type_name);
  api_descriptor_let_go(sending->descriptor);
  sending->descriptor = NULL;
  return 0;
}

static struct sending *sending_of(lua_State *L) {
  return lua_touserdata(L, SENDING);
}

static int next_piece(lua_State *L, int status, lua_KContext context);

static bool is_gone(const struct api_conn *self) {
  return !self->conn || !self->more->inbox || conn_phase(self->conn) >= CONN_PHASE_SHUTDOWN;
}

static int push_truncated(lua_State *L, const struct sending *sending) {
  luaL_pushfail(L);
  lua_pushliteral(L, "truncated");
  lua_pushfstring(L, "%s: it has become shorter, and %I bytes of it were sent",
                  lua_tostring(L, PATH), (lua_Integer)sending->sent);
  return 3;
}

static int drained(lua_State *L, int status, lua_KContext context) {
  const struct api_conn *self = api_check_conn(L, CONN);
  if (is_gone(self)) return api_push_closed(L);
  if (self->more->inbox->drainer.timed_out) return api_push_timeout(L, NULL);
  return next_piece(L, status, context);
}

/* True when the piece is queued. */
static bool queue(const struct api_conn *self, const struct disk_job *job) {
  if (conn_send_begin(self->conn) < 0) return false;
  return conn_send_shared(self->conn, job->blob, job->size) == 0;
}

static int got_piece(lua_State *L, int status, lua_KContext context) {
  const struct api_conn *self = api_check_conn(L, CONN);
  const struct disk_job *job = api_disk_job(lua_touserdata(L, DISK));
  struct sending *sending = sending_of(L);
  if (job->rc < 0) return api_push_error(L, job->rc, lua_tostring(L, PATH));
  if (job->size == 0) return push_truncated(L, sending);
  if (is_gone(self) || !queue(self, job)) return api_push_closed(L);
  if (api_is_told(self->runtime, EVENT_SEND)) api_tell_send(L, self->conn, job->size);
  sending->at += (off_t)job->size;
  sending->sent += job->size;
  sending->left -= job->size;
  self->more->inbox->drainer.timed_out = false;
  if (sending->left == 0 || !conn_await_drain(self->conn)) return next_piece(L, status, context);
  api_wait_begin(L, &self->more->inbox->drainer, self->more->inbox->timeout_ms,
                 "drain() of this connection");
  return vm_wait(L, context, drained);
}

static size_t piece_size(const struct conn *conn, uint64_t left) {
  size_t size = conn_group_of(conn)->queue_high;
  if (size < PIECE_BYTES_MIN) size = PIECE_BYTES_MIN;
  if (size > PIECE_BYTES_MAX) size = PIECE_BYTES_MAX;
  return left < size ? (size_t)left : size;
}

static int next_piece(lua_State *L, int status, lua_KContext context) {
  (void)status;
  const struct api_conn *self = api_check_conn(L, CONN);
  struct sending *sending = sending_of(L);
  lua_settop(L, SENDING);
  if (sending->left == 0) {
    lua_pushinteger(L, (lua_Integer)sending->sent);
    return 1;
  }
  if (is_gone(self)) return api_push_closed(L);
  struct api_disk *disk = api_push_disk_of(L, DISK_GET, sending->descriptor);
  struct disk_job *job = api_disk_job(disk);
  job->at = sending->at;
  job->max = piece_size(self->conn, sending->left);
  job->blob = blob_new(job->max);
  if (!job->blob) return luaL_error(L, "not enough memory");
  return api_disk_wait(L, disk, context, got_piece);
}

/* Of a file that is open: what of it is to be sent. */
static int begin(lua_State *L, struct disk_job *job) {
  struct sending *sending = sending_of(L);
  uint64_t total = (uint64_t)job->status.st_size;
  uint64_t from = (uint64_t)luaL_optinteger(L, FROM, 0);
  uint64_t size =
      (uint64_t)luaL_optinteger(L, SIZE, from < total ? (lua_Integer)(total - from) : 0);
  if (from > total || size > total - from) {
    luaL_pushfail(L);
    lua_pushliteral(L, "EINVAL");
    lua_pushfstring(L, "%s: it has %I bytes", lua_tostring(L, PATH), (lua_Integer)total);
    return 3;
  }
  sending->at = (off_t)from;
  sending->left = size;
  sending->descriptor = api_descriptor_new(job->fd);
  if (!sending->descriptor) return luaL_error(L, "not enough memory");
  job->owns_fd = false;
  return next_piece(L, LUA_OK, 0);
}

static int opened(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct api_disk *disk = lua_touserdata(L, DISK);
  struct disk_job *job = api_disk_job(disk);
  if (job->rc == 0) return begin(L, job);
  if (api_disk_may_retry(L, disk)) return api_disk_wait(L, disk, context, opened);
  return api_push_error(L, job->rc, job->path);
}

static void check_range(lua_State *L, int index) {
  if (!lua_isnoneornil(L, index)) {
    luaL_argcheck(L, luaL_checkinteger(L, index) >= 0, index, "must be 0 or more bytes");
  }
}

/* conn:send_file(path [, from [, size]]) -> bytes | nil, code, detail */
static int l_conn_send_file(lua_State *L) {
  struct api_conn *self = api_check_conn(L, CONN);
  int failed;
  if (self->more->websocket) return api_refuse_bytes(L, "send_file", "conn:send_message(message)");
  api_check_count(L, 4, NULL);
  lua_settop(L, SIZE);
  check_range(L, FROM);
  check_range(L, SIZE);
  api_check_carries_bytes(L, self, "send_file", "conn:send_message(message)");
  const char *path = api_disk_path(L, PATH, "conn:send_file", false, &failed);
  if (failed) return failed;
  if (!self->conn || conn_phase(self->conn) >= CONN_PHASE_SHUTDOWN) return api_push_closed(L);
  api_need_inbox(L, self);
  struct sending *sending = lua_newuserdatauv(L, sizeof *sending, 0);
  *sending = (struct sending){0};
  luaL_setmetatable(L, type_name);
  struct api_disk *disk = api_push_disk(L, DISK_OPEN, path);
  api_disk_job(disk)->flags = O_RDONLY;
  return api_disk_wait(L, disk, 0, opened);
}

const struct api_type api_sending_type = {.name = type_name, .finalizer = l_sending_gc};
const luaL_Reg api_send_file_methods[] = {{"send_file", l_conn_send_file}, {NULL, NULL}};
