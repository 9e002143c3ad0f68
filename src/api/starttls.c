/* api/starttls.c — conn:starttls(), and what socket.connect() does for tls://: from plain to TLS.
 *
 * In the order of the steps: the options become a context, which may wait; what is queued goes out plain;
 * then the layer is put in. Whatever the peer sent before that, and nobody has read, it sent without
 * protection, or somebody else did: it is never taken for what came over TLS (CVE-2011-0411,
 * CVE-2021-23222), and the connection ends. */
#include "api/arguments.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/inbox.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/tls_object.h"
#include "net/conn_tls.h"
#include "net/loop.h"
#include "net/tls/context.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

/* Where a call stands on the coroutine's stack. */
enum { CONN = 1, OPTIONS = 2, OBJECT = 3, NAME = 4 };

enum step { STEP_OPTIONS, STEP_SENT, STEP_SHAKEN };

static int go_on(lua_State *L, int status, lua_KContext step);

static int misused(lua_State *L, const char *what) {
  return luaL_error(L, "starttls: %s", what);
}

/* Waits until the connection tells of something. */
static int await(lua_State *L, struct api_conn *self, enum step step) {
  struct inbox *inbox = self->more->inbox;
  uint64_t left_ms = inbox_left_ms(inbox, net_loop_now_ms(self->runtime->loop));
  inbox->drainer.timed_out = false;
  api_wait_begin(L, &inbox->drainer, left_ms, "drain() or starttls() of this connection");
  api_conn_update(self);
  return vm_wait(L, step, go_on);
}

static int meet_plaintext(lua_State *L, const struct api_conn *self) {
  if (self->conn) conn_close(self->conn, REASON_HANDSHAKE);
  return api_push_failure(L, "plaintext",
                          "the peer sent something before the handshake, without protection");
}

/* It has ended: why. */
static int ended(lua_State *L, const struct api_conn *self) {
  const struct conn_past *past = self->more->past;
  if (past && past->met_plaintext) return meet_plaintext(L, self);
  if (past && past->reason == REASON_HANDSHAKE)
    return api_push_failure(L, "handshake", past->tls_fault);
  if (past && past->reason == REASON_HANDSHAKE_TIMEOUT) {
    return api_push_failure(L, "timeout", "the handshake was not done within timeouts.handshake");
  }
  return api_push_closed(L);
}

static int give_up(lua_State *L, struct api_conn *self) {
  conn_reset(self->conn, REASON_HANDSHAKE_TIMEOUT);
  return api_push_failure(L, "timeout", "the handshake was not done in time");
}

static int make_context(lua_State *L) {
  struct tls_object *object = api_check_tls_object(L, OBJECT);
  switch (api_make_tls_object(L, OPTIONS, object)) {
    case TLS_WAITS: return vm_wait(L, STEP_OPTIONS, go_on);
    case TLS_MADE: return go_on(L, LUA_OK, STEP_SENT);
    default: return api_push_failure(L, "EINVAL", lua_tostring(L, -1));
  }
}

static int begin_handshake(lua_State *L, struct api_conn *self) {
  const struct tls_object *object = api_check_tls_object(L, OBJECT);
  if (conn_await_sent(self->conn)) return await(L, self, STEP_SENT);
  if (conn_is_closing(self->conn)) return ended(L, self);
  if (!inbox_empty(self->more->inbox)) return meet_plaintext(L, self);
  const char *name = object->name[0] ? object->name : lua_tostring(L, NAME);
  if (!name && object->verifies) {
    return misused(L, "tls.name is missing, and a connection does not keep the host that it was "
                      "connected to: write conn:starttls({ name = \"mail.example\" })");
  }
  int rc = conn_secure(self->conn, object->context, name);
  if (rc == UV_EALREADY) return misused(L, "this connection speaks TLS already");
  if (rc == UV_EPIPE) return api_push_closed(L); /* its FIN is out */
  if (rc < 0) return api_push_error(L, rc, NULL);
  return await(L, self, STEP_SHAKEN);
}

static int go_on(lua_State *L, int status, lua_KContext step) {
  (void)status;
  struct api_conn *self = api_check_conn(L, CONN);
  struct conn_tls tls;
  if (!self->conn || !self->more->inbox || conn_is_closing(self->conn)) return ended(L, self);
  if (step == STEP_OPTIONS) return make_context(L);
  if (self->more->inbox->drainer.timed_out) return give_up(L, self);
  if (step == STEP_SENT) return begin_handshake(L, self);
  if (!conn_tls(self->conn, &tls) || !tls.version) return await(L, self, STEP_SHAKEN);
  return api_push_true(L);
}

/* What both calls begin with: nobody else may read what is not for him. Raises. */
static void prepare(lua_State *L, struct api_conn *self) {
  api_need_inbox(L, self);
  if (api_wait_pending(&self->more->inbox->reader)) misused(L, "another coroutine reads from it");
  if (conn_is_forwarding(self->conn)) misused(L, "this connection is forwarded");
  (void)vm_wait_ticket(L); /* raises where no wait is possible */
  self->more->inbox->drainer.timed_out = false;
}

/* Without options an accepted connection shows what the service does. */
static bool use_service(lua_State *L, struct tls_object *object) {
  struct tls_context *context = version_of(L)->service.tls;
  if (!object->is_server || !lua_isnil(L, OPTIONS)) return false;
  if (!context)
    misused(L, "a server needs a certificate: give the service tls = { cert = …, key = … }");
  object->context = tls_context_keep(context);
  return true;
}

/* Named also where it is called by pcall(), for which Lua would write '?'. Raises. */
static void check_table(lua_State *L) {
  if (lua_isnil(L, OPTIONS) || lua_istable(L, OPTIONS)) return;
  luaL_error(L, "bad argument #1 to 'starttls' (table expected, got %s)",
             luaL_typename(L, OPTIONS));
}

/* conn:starttls([options]) -> true | nil, code, detail */
static int l_conn_starttls(lua_State *L) {
  struct api_conn *self = api_check_conn(L, CONN);
  struct conn_tls tls;
  api_check_count(L, 2, NULL);
  lua_settop(L, OPTIONS);
  check_table(L);
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  if (conn_tls(self->conn, &tls)) return misused(L, "this connection speaks TLS already");
  if (self->has_requests) {
    return misused(L, "HTTP does not begin plain and upgrade: write listen = \"tls://:8443\"");
  }
  bool is_server = !conn_is_outgoing(self->conn);
  if (api_misuses_tls(L, OPTIONS, is_server, "starttls"))
    return luaL_error(L, "%s", lua_tostring(L, -1));
  prepare(L, self);
  self->more->inbox->ends_ms =
      inbox_call_ends_ms(self->more->inbox, net_loop_now_ms(self->runtime->loop));
  if (api_is_told(self->runtime, EVENT_CALL)) api_tell_call(L, self->conn, "starttls");
  struct tls_object *object = api_push_tls_object(L);
  object->is_server = is_server;
  lua_pushnil(L); /* the name: the options' */
  return use_service(L, object) ? go_on(L, LUA_OK, STEP_SENT) : go_on(L, LUA_OK, STEP_OPTIONS);
}

/* secure(conn, seconds or nil, context, name) -> true | nil, code, detail */
static int l_secure(lua_State *L) {
  struct api_conn *self = api_check_conn(L, CONN);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  (void)api_check_tls_object(L, OBJECT);
  luaL_checkstring(L, NAME);
  if (!self->conn || conn_is_closing(self->conn)) return api_push_closed(L);
  prepare(L, self);
  uint64_t now_ms = net_loop_now_ms(self->runtime->loop);
  self->more->inbox->ends_ms = timeout_ms ? now_ms + timeout_ms : 0;
  return go_on(L, LUA_OK, STEP_SENT);
}

const luaL_Reg api_starttls_methods[] = {{"starttls", l_conn_starttls}, {NULL, NULL}};
const luaL_Reg api_starttls_functions[] = {{"secure", l_secure}, {NULL, NULL}};
