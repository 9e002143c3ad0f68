/* api/conn_handler.c — the handlers of a connection: called in order, one at a time.
 *
 * The happy path: call the handler in a cached coroutine, flush. A handler that waits makes the
 * connection `busy`: it is not read, its receiver keeps what comes nevertheless, and what happens
 * meanwhile is noted in `pending` and told when the handler has ended. A handler that raises costs
 * its own connection only. */
#include "api/conn.h"
#include "api/inbox.h"
#include "api/measured.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/websocket.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* One call of a handler; lives on the C stack until the handler has its arguments. */
struct call {
  struct api_conn *self;
  enum handler handler;
  const char *text; /* on_timeout, on_close: the word; on_error: the message; else NULL */
  size_t size;
  const char *traceback; /* on_error only */
  size_t traceback_size;
};

/* The handlers that it has now; also after its connection has closed, until on_close has run. */
static const struct service *service_of(const struct api_conn *self) {
  return &self->cohort->version->service;
}

/* The handler's first result means "keep the connection" where that can be said. The object stays
 * at index 1. */
static int handled(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct api_conn *self = lua_touserdata(L, 1);
  self->keep = lua_toboolean(L, -1);
  api_tell_result(L, (enum handler)self->handler, -1);
  return 0;
}

/* Runs in the handler's coroutine. */
static int handler_handle(lua_State *L) {
  const struct call *call = lua_touserdata(L, 1);
  const struct runtime *runtime = runtime_of(L);
  const struct service *service = service_of(call->self);
  api_push_conn(L, call->self);
  lua_replace(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[call->handler]);
  lua_pushvalue(L, 1);
  int arguments = 1;
  if (call->text) {
    lua_pushlstring(L, call->text, call->size);
    arguments++;
  }
  if (call->handler == HANDLER_ON_ERROR) {
    lua_pushlstring(L, call->traceback ? call->traceback : "", call->traceback_size);
    arguments++;
  }
  if (api_tells_handlers(runtime)) {
    api_tell_handler(L, service_handler_name(call->handler), 2);
  }
  lua_callk(L, arguments, 1, 0, handled);
  return handled(L, LUA_OK, 0);
}

static void run_handler(const struct call *call) {
  api_enter_handler(call->self, call->handler, handler_handle, (void *)(uintptr_t)call);
}

void api_end_for_timeout(struct conn *conn, enum conn_timeout kind) {
  if (kind == CONN_TIMEOUT_WRITE) {
    conn_reset(conn, REASON_WRITE_TIMEOUT); /* what is queued will not be taken */
  } else {
    conn_close(conn, REASON_IDLE);
  }
}

/* A handler did not do what it had to. */
static void end_failed(struct api_conn *self, bool closes) {
  const struct request_hooks *hooks = api_requests_of(self);
  if (hooks) {
    hooks->failed(self, closes);
  } else if (closes) {
    conn_close(self->conn, REASON_ERROR);
  }
}

/* What follows from a handler that came to its end. */
static void handler_finish(struct api_conn *self) {
  if (self->handler == HANDLER_ON_CLOSE) {
    api_conn_release(self->runtime, self);
    return;
  }
  struct conn *conn = self->conn;
  if (!conn) return;
  switch ((enum handler)self->handler) {
    case HANDLER_ON_EOF:
      if (conn_finished(conn)) conn_close(conn, REASON_EOF);
      break;
    case HANDLER_ON_TIMEOUT:
      if (!self->keep) api_end_for_timeout(conn, (enum conn_timeout)self->timeout);
      break;
    case HANDLER_ON_ERROR:
      end_failed(self, !self->keep || service_has(service_of(self), HANDLER_MAIN));
      break;
    case HANDLER_MAIN:
      end_failed(self, false);
      /* What it left to the core goes on, and ends by itself. */
      if (conn_is_forwarding(conn) || conn_is_forwarded_to(conn)) break;
      conn_close(conn, self->is_late              ? REASON_IDLE
                       : conn_peer_finished(conn) ? REASON_EOF
                                                  : REASON_CLOSED);
      break;
    default: break;
  }
}

/* A handler raised. on_error may say a last word, or that the connection goes on. */
static void handler_on_fail(void *owner, const struct vm_failure *failure) {
  struct api_conn *self = owner;
  struct runtime *runtime = self->runtime;
  enum handler failed = (enum handler)self->handler;
  bool is_told = failed != HANDLER_ON_CLOSE && failed != HANDLER_ON_ERROR &&
                 service_has(service_of(self), HANDLER_ON_ERROR);
  self->busy = false;
  if (is_told) {
    runtime_log_told_failure(runtime, self->id, failure);
  } else {
    runtime_log_failure(runtime, self->id, failure);
  }
  if (failed == HANDLER_ON_CLOSE) {
    api_conn_release(runtime, self);
    return;
  }
  if (is_told) {
    const struct call call = {
        .self = self,
        .handler = HANDLER_ON_ERROR,
        .text = failure->message,
        .size = failure->message_size,
        .traceback = failure->traceback,
        .traceback_size = failure->traceback_size,
    };
    run_handler(&call);
  } else if (self->conn) {
    end_failed(self, true);
  }
}

static void handler_on_end(void *owner, bool failed) {
  struct api_conn *self = owner;
  struct runtime *runtime = self->runtime;
  if (!failed) {
    self->busy = false;
    handler_finish(self);
  }
  api_conn_deliver(self);
  runtime->on_room(runtime->context,
                   NULL); /* one that has closed counts until its handlers have ended */
}

static void handler_on_cancel(void *owner) {
  struct api_conn *self = owner;
  self->busy = false;
  if (self->more->inbox) {
    api_wait_forget(&self->more->inbox->reader);
    api_wait_forget(&self->more->inbox->drainer);
  }
  if (self->handler == HANDLER_ON_CLOSE) {
    api_conn_release(self->runtime, self);
  } else {
    api_conn_deliver(self);
  }
  self->runtime->on_room(self->runtime->context, NULL);
}

void api_enter_handler(struct api_conn *self, enum handler handler, lua_CFunction body,
                       void *argument) {
  const struct vm_owner owner = {
      .self = self,
      .name = service_handler_name(handler),
      .conn_id = self->id,
      .world = self->cohort->version->world,
      .durations = measured_of(self->cohort->version, handler),
      .on_fail = handler_on_fail,
      .on_end = handler_on_end,
      .on_cancel = handler_on_cancel,
  };
  struct vm_task *task;
  assert(!self->busy);
  self->handler = (uint8_t)handler;
  self->keep = false;
  switch (runtime_enter(self->runtime, body, argument, &owner, &task)) {
    case VM_DONE: handler_finish(self); break;
    case VM_WAITING:
      self = vm_task_owner(task); /* `body` may have gone on with another's */
      self->busy = true;
      api_conn_update(self);
      break;
    case VM_FAILED: /* handler_on_fail() has seen to it */ break;
  }
}

void api_run_handler(struct api_conn *self, enum handler handler, const char *word) {
  run_handler(&(struct call){
      .self = self, .handler = handler, .text = word, .size = word ? strlen(word) : 0});
}

static const struct receiver *receiver_in_force(const struct api_conn *self) {
  return self->more->websocket ? self->more->websocket->receiver : self->cohort->version->receiver;
}

static bool take_pending(struct api_conn *self, enum pending kind) {
  bool pending = self->pending & kind;
  self->pending = (uint8_t)(self->pending & ~kind);
  return pending;
}

/* Where there are WebSockets, these handlers are told of nothing else. */
static bool has_event(const struct api_conn *self, enum handler handler) {
  const struct service *service = service_of(self);
  bool is_open = self->is_websocket && !(self->pending & PENDING_OPEN);
  bool is_early = service->protocol == PROTOCOL_WEBSOCKET && !is_open;
  return !is_early && service_has(service, handler);
}

/* Tells `handler`, or without one does what the contract says instead. */
static bool handler_tell(struct api_conn *self, enum handler handler) {
  if (has_event(self, handler)) {
    api_run_handler(self, handler, NULL);
  } else if (handler == HANDLER_ON_EOF) {
    conn_close(self->conn, REASON_EOF);
  }
  return true;
}

static void handler_tell_closed(struct api_conn *self) {
  struct runtime *runtime = self->runtime;
  if (!has_event(self, HANDLER_ON_CLOSE) || !runtime_has_time(runtime)) {
    api_conn_release(runtime, self);
    return;
  }
  const char *word = reason_name(self->more->past ? self->more->past->reason : REASON_NONE);
  api_run_handler(self, HANDLER_ON_CLOSE, word);
}

/* Tells one thing that is due; false when there is nothing more to tell. */
static bool deliver_one(struct api_conn *self) {
  if (take_pending(self, PENDING_RELOAD)) return handler_tell(self, HANDLER_ON_RELOAD);
  if (self->conn && !conn_is_closing(self->conn)) {
    if (take_pending(self, PENDING_OPEN)) return handler_tell(self, HANDLER_ON_OPEN);
    if (take_pending(self, PENDING_MAIN)) return handler_tell(self, HANDLER_MAIN);
    const struct receiver *receiver = receiver_in_force(self);
    if (receiver->deliver_kept(self)) return true;
    if (self->pending & PENDING_EOF && receiver->deliver_last && receiver->deliver_last(self))
      return true;
    if (take_pending(self, PENDING_EOF)) return handler_tell(self, HANDLER_ON_EOF);
    return take_pending(self, PENDING_DRAIN) && handler_tell(self, HANDLER_ON_DRAIN);
  }
  if (!take_pending(self, PENDING_CLOSE)) return false;
  handler_tell_closed(self);
  return true;
}

const struct request_hooks *api_requests_of(const struct api_conn *self) {
  if (self->more->websocket || !self->cohort) return NULL;
  return self->cohort->version->receiver->requests;
}

struct api_conn *api_next_received(struct api_conn *self, conn_receiver receiver,
                                   enum handler handler, const char **bytes, size_t *size) {
  struct runtime *runtime = self->runtime;
  /* Something else is to be done for this one first. */
  if (!self->conn || self->pending || self->more->inbox || runtime->anchor_count > 0) return NULL;
  if (!vm_may_go_on(runtime->vm)) return NULL;
  const struct conn *conn = conn_next_received(conn_group_of(self->conn), receiver, bytes, size);
  if (!conn) return NULL;
  self = conn_owner(conn);
  self->handler = (uint8_t)handler;
  self->keep = false;
  vm_hand_over(runtime->vm, self, self->id);
  return self;
}

void api_conn_deliver(struct api_conn *self) {
  while (!self->busy && deliver_one(self)) continue;
  api_conn_update(self);
}

void api_conn_forwarded(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  if (!self) return;
  struct runtime *runtime = self->runtime;
  int held = api_hold_conn(self);
  if (self->more->inbox) api_wait_wake(&self->more->inbox->reader);
  api_conn_update(self);
  api_let_go_conn(runtime, held);
}

bool api_conn_feed(struct api_conn *self, const char *bytes, size_t size) {
  if (!api_have_inbox(self)) return false;
  struct inbox *inbox = self->more->inbox;
  inbox->fresh = bytes;
  inbox->fresh_size = size;
  api_wait_wake(&inbox->reader);
  bool kept = inbox_keep_fresh(inbox);
  inbox->fresh = NULL;
  inbox->fresh_size = 0;
  return kept;
}

/* Of one whose handler waits, for bytes or for something else, or which has kept bytes that come
 * before these. */
static void receive_kept(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  if (!api_conn_feed(self, bytes, size)) conn_close_starved(conn);
  if (self->busy && api_is_read(self)) return; /* who began that wait has seen to what follows */
  api_conn_deliver(self);
}

void api_receive_first(struct conn *conn, const char *bytes, size_t size) {
  const struct cohort *cohort = conn_group_of(conn)->owner;
  struct api_conn *self = api_conn_of(cohort->runtime, conn);
  if (!self) return;
  cohort->runtime->in_hand = conn;
  api_conn_deliver(self);
  cohort->runtime->in_hand = NULL;
  if (!conn_is_closing(conn)) conn_receive(conn, bytes, size);
}

static conn_receiver receiver_of(const struct api_conn *self, bool reads) {
  const struct receiver *receiver = receiver_in_force(self);
  bool keeps = self->more->inbox && !inbox_empty(self->more->inbox) && !receiver->joins_kept;
  if (self->busy || reads || keeps) return receive_kept;
  return self->pending ? api_receive_first : receiver->received;
}

void api_conn_update(struct api_conn *self) {
  struct conn *conn = self->conn;
  if (!conn) return;
  bool reads = api_is_read(self);
  bool waits = self->busy || !self->cohort;
  if (self->cohort) conn_set_receiver(conn, receiver_of(self, reads));
  conn_hold(conn, CONN_HOLD_HANDLER, waits && !reads && !conn_is_forwarding(conn));
}
