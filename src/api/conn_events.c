/* api/conn_events.c — from an event of a connection to the script's handler, in order, one at a time.
 *
 * The happy path is on_data: call the handler in a cached coroutine, flush. A handler that waits
 * makes the connection `busy`: it is not read, and what happens meanwhile is noted in `pending`
 * and told when the handler has ended. A handler that raises costs its own connection only. */
#include "api/conn.h"
#include "api/conn_message.h"
#include "api/inbox.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "net/loop.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_BYTES_MAX = 65536 }; /* what one on_data is given at most */

/* One call of a handler; lives on the C stack until the handler has its arguments. */
struct call {
  struct api_conn *self;
  enum handler handler;
  const char *bytes; /* on_data: the bytes; on_timeout, on_close: the word; on_error: the message */
  size_t size;
  const char *traceback; /* on_error only */
  size_t traceback_size;
  bool from_inbox; /* the bytes are, and are taken from there when the script has them */
};

static struct runtime *runtime_for(const struct conn *conn) {
  const struct cohort *cohort = conn_group_of(conn)->owner;
  return cohort->runtime;
}

/* The handlers that `conn` has now. */
static const struct service *service_for(const struct conn *conn) {
  const struct cohort *cohort = conn_group_of(conn)->owner;
  return &cohort->version->service;
}

/* The same of an object, also after its connection has closed, until on_close has run. */
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
  return 0;
}

/* Runs in the handler's coroutine. */
static int handle(lua_State *L) {
  const struct call *call = lua_touserdata(L, 1);
  const struct runtime *runtime = runtime_of(L);
  const struct service *service = service_of(call->self);
  api_push_conn(L, call->self);
  lua_replace(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[call->handler]);
  lua_pushvalue(L, 1);
  int arguments = 1;
  if (call->bytes) {
    lua_pushlstring(L, call->bytes, call->size);
    arguments++;
  }
  if (call->from_inbox) inbox_consume(call->self->inbox, call->size);
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

static void deliver_pending(struct runtime *runtime, struct api_conn *self);
static void run_handler(struct runtime *runtime, const struct call *call);

static void end_for_timeout(struct conn *conn, enum conn_timeout kind) {
  if (kind == CONN_TIMEOUT_WRITE) {
    conn_reset(conn, REASON_WRITE_TIMEOUT); /* what is queued will not be taken */
  } else {
    conn_close(conn, REASON_IDLE);
  }
}

/* What follows from a handler that came to its end. */
static void finish(struct runtime *runtime, struct api_conn *self) {
  if (self->handler == HANDLER_ON_CLOSE) {
    api_conn_release(runtime, self);
    return;
  }
  struct conn *conn = self->conn;
  if (!conn) return;
  switch ((enum handler)self->handler) {
    case HANDLER_ON_EOF:
      if (conn_finished(conn)) conn_close(conn, REASON_EOF);
      break;
    case HANDLER_ON_TIMEOUT:
      if (!self->keep) end_for_timeout(conn, (enum conn_timeout)self->timeout);
      break;
    case HANDLER_ON_ERROR:
      if (!self->keep || service_has(service_of(self), HANDLER_MAIN))
        conn_close(conn, REASON_ERROR);
      break;
    case HANDLER_MAIN:
      conn_close(conn, self->is_late              ? REASON_IDLE
                       : conn_peer_finished(conn) ? REASON_EOF
                                                  : REASON_CLOSED);
      break;
    default: break;
  }
}

/* A handler raised. on_error may say a last word, or that the connection goes on. */
static void on_fail(void *owner, const struct vm_failure *failure) {
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
        .bytes = failure->message,
        .size = failure->message_size,
        .traceback = failure->traceback,
        .traceback_size = failure->traceback_size,
    };
    run_handler(runtime, &call);
  } else if (self->conn) {
    conn_close(self->conn, REASON_ERROR);
  }
}

static void on_end(void *owner, bool failed) {
  struct api_conn *self = owner;
  struct runtime *runtime = self->runtime;
  if (!failed) {
    self->busy = false;
    finish(runtime, self);
  }
  deliver_pending(runtime, self);
  runtime->on_room(runtime->context,
                   NULL); /* one that has closed counts until its handlers have ended */
}

static void on_cancel(void *owner) {
  struct api_conn *self = owner;
  self->busy = false;
  if (self->inbox) {
    api_wait_forget(&self->inbox->reader);
    api_wait_forget(&self->inbox->drainer);
  }
  if (self->handler == HANDLER_ON_CLOSE) {
    api_conn_release(self->runtime, self);
  } else {
    deliver_pending(self->runtime, self);
  }
  self->runtime->on_room(self->runtime->context, NULL);
}

/* Enters Lua for a handler of `self` and sees to what follows. */
static void enter(struct runtime *runtime, struct api_conn *self, enum handler handler,
                  lua_CFunction body, void *argument) {
  const struct vm_owner owner = {
      .self = self,
      .name = service_handler_name(handler),
      .conn_id = self->id,
      .world = self->cohort->version->world,
      .on_fail = on_fail,
      .on_end = on_end,
      .on_cancel = on_cancel,
  };
  assert(!self->busy);
  self->handler = (uint8_t)handler;
  self->keep = false;
  switch (runtime_enter(runtime, body, argument, &owner, NULL)) {
    case VM_DONE: finish(runtime, self); break;
    case VM_WAITING:
      self->busy = true;
      api_conn_update_hold(self);
      break;
    case VM_FAILED: /* on_fail() has seen to it */ break;
  }
}

static void run_handler(struct runtime *runtime, const struct call *call) {
  enter(runtime, call->self, call->handler, handle, (void *)(uintptr_t)call);
}

/* Bytes that a handler received but did not read go to on_data, as if they came now. */
static bool deliver_leftover(struct runtime *runtime, struct api_conn *self) {
  const struct service *service = service_of(self);
  if (service->framed) {
    if (!service_has(service, HANDLER_ON_MESSAGE) || !api_has_message(self)) return false;
    enter(runtime, self, HANDLER_ON_MESSAGE, api_handle_messages, self);
    return true;
  }
  if (!self->inbox || self->inbox->size == 0) return false;
  struct inbox *inbox = self->inbox;
  struct call call = {.self = self, .handler = HANDLER_ON_DATA};
  call.bytes = inbox->bytes + inbox->start;
  call.size = inbox->size < DATA_BYTES_MAX ? inbox->size : DATA_BYTES_MAX;
  if (service_has(service, HANDLER_ON_DATA)) {
    call.from_inbox = true;
    run_handler(runtime, &call);
  } else {
    inbox_consume(inbox, call.size);
  }
  return true;
}

static bool take_pending(struct api_conn *self, enum pending kind) {
  bool pending = self->pending & kind;
  self->pending = (uint8_t)(self->pending & ~kind);
  return pending;
}

/* Tells `handler`, or without one does what the contract says instead. */
static void tell(struct runtime *runtime, struct api_conn *self, enum handler handler) {
  if (service_has(service_of(self), handler)) {
    run_handler(runtime, &(struct call){.self = self, .handler = handler});
  } else if (handler == HANDLER_ON_EOF) {
    conn_close(self->conn, REASON_EOF);
  }
}

static void tell_closed(struct runtime *runtime, struct api_conn *self) {
  const char *word = reason_name(self->past ? self->past->reason : REASON_NONE);
  if (!service_has(service_of(self), HANDLER_ON_CLOSE) || !runtime_has_time(runtime)) {
    api_conn_release(runtime, self);
    return;
  }
  run_handler(runtime,
              &(struct call){
                  .self = self, .handler = HANDLER_ON_CLOSE, .bytes = word, .size = strlen(word)});
}

/* Tells one thing that is due; false when there is nothing more to tell. */
static bool deliver_one(struct runtime *runtime, struct api_conn *self) {
  if (take_pending(self, PENDING_RELOAD)) {
    tell(runtime, self, HANDLER_ON_RELOAD);
    return true;
  }
  if (self->conn && !conn_is_closing(self->conn)) {
    if (take_pending(self, PENDING_MAIN)) {
      tell(runtime, self, HANDLER_MAIN);
    } else if (deliver_leftover(runtime, self)) {
      return true;
    } else if (take_pending(self, PENDING_EOF)) {
      tell(runtime, self, HANDLER_ON_EOF);
    } else if (take_pending(self, PENDING_DRAIN)) {
      tell(runtime, self, HANDLER_ON_DRAIN);
    } else {
      return false;
    }
    return true;
  }
  if (!take_pending(self, PENDING_CLOSE)) return false;
  tell_closed(runtime, self);
  return true;
}

static void deliver_pending(struct runtime *runtime, struct api_conn *self) {
  while (!self->busy && deliver_one(runtime, self)) continue;
  api_conn_update_hold(self);
}

void api_conn_deliver(struct api_conn *self) {
  deliver_pending(self->runtime, self);
}

static void on_open(struct conn *conn) {
  struct runtime *runtime = runtime_for(conn);
  bool opens = service_has(service_for(conn), HANDLER_ON_OPEN);
  bool has_main = service_has(service_for(conn), HANDLER_MAIN);
  if (!opens && !has_main) return;
  struct api_conn *self = api_conn_of(conn);
  if (!self) return;
  if (has_main) self->pending |= PENDING_MAIN;
  if (opens) tell(runtime, self, HANDLER_ON_OPEN);
  deliver_pending(runtime, self);
}

/* The handler gets its messages straight from the read buffer; what is left of them is kept. */
static void on_framed_data(struct runtime *runtime, struct api_conn *self, const char *bytes,
                           size_t size) {
  if (!self->inbox && !(self->inbox = inbox_new())) {
    conn_close_starved(self->conn);
    return;
  }
  self->inbox->fresh = bytes;
  self->inbox->fresh_size = size;
  enter(runtime, self, HANDLER_ON_MESSAGE, api_handle_messages, self);
  if (!inbox_keep_fresh(self->inbox)) conn_close_starved(self->conn);
  deliver_pending(runtime, self);
}

/* Whether bytes cannot go to a handler now, and are kept. */
static bool must_keep(const struct api_conn *self, bool framed) {
  if (!self) return false;
  /* A wait that timed out by itself leaves the connection read for a moment: that is kept too. */
  if (self->busy || (self->inbox && api_wait_pending(&self->inbox->reader))) return true;
  /* What an earlier version of the script left of a message comes first. */
  return self->inbox && !inbox_empty(self->inbox) && !framed;
}

static void on_data(struct conn *conn, const char *bytes, size_t size) {
  struct runtime *runtime = runtime_for(conn);
  const struct service *service = service_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool framed = service_has(service, HANDLER_ON_MESSAGE);
  if (must_keep(self, framed)) {
    if (!api_conn_feed(self, bytes, size)) conn_close_starved(conn);
    deliver_pending(runtime, self);
    return;
  }
  if (!framed && !service_has(service, HANDLER_ON_DATA)) return;
  if (!self) self = api_conn_of(conn);
  if (!self) return;
  if (self->pending) { /* adopted: it hears of that first, and may wait then */
    deliver_pending(runtime, self);
    if (!conn_is_closing(conn)) on_data(conn, bytes, size);
    return;
  }
  if (framed) {
    on_framed_data(runtime, self, bytes, size);
    return;
  }
  run_handler(runtime, &(struct call){
                           .self = self, .handler = HANDLER_ON_DATA, .bytes = bytes, .size = size});
  if (self->pending || self->inbox) deliver_pending(runtime, self);
}

static void on_eof(struct conn *conn) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  if (!self && !service_has(service_for(conn), HANDLER_ON_EOF)) {
    conn_close(conn, REASON_EOF);
    return;
  }
  if (!self) self = api_conn_of(conn);
  if (!self) return;
  self->pending |= PENDING_EOF;
  if (self->inbox) api_wait_wake(&self->inbox->reader);
  deliver_pending(runtime, self);
}

static void on_drain(struct conn *conn, bool crossed) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool wanted = crossed && service_has(service_for(conn), HANDLER_ON_DRAIN);
  if (!self && wanted) self = api_conn_of(conn);
  if (!self) return;
  if (wanted) self->pending |= PENDING_DRAIN;
  if (self->inbox) api_wait_wake(&self->inbox->drainer);
  deliver_pending(runtime, self);
}

static bool reads(const struct api_conn *self) {
  return self && self->inbox && api_wait_pending(&self->inbox->reader);
}

/* Whether a connection without a frame and without `main` has got as far as its script asks: bytes
 * came, and the handler that got them has ended, or has answered. One that goes on reading does not
 * have all of its first message yet. */
static bool has_greeted(const struct conn *conn) {
  struct conn_counters counters;
  conn_counters(conn, &counters);
  if (conn_group_of(conn)->greets_itself || counters.bytes_in == 0) return false;
  return counters.messages_out > 0 || !reads(conn_owner(conn));
}

/* Nothing whole came in time. Who waits for the rest may say so to the peer, before it closes. */
static void end_for_first(struct conn *conn) {
  struct api_conn *self = conn_owner(conn);
  self->is_late = true;
  api_wait_time_out(&self->inbox->reader);
  conn_close(conn, REASON_IDLE);
}

static void on_timeout(struct conn *conn, enum conn_timeout kind) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool has_handler = service_has(service_for(conn), HANDLER_ON_TIMEOUT);
  if (kind == CONN_TIMEOUT_FIRST && has_greeted(conn)) {
    conn_greeted(conn);
    return;
  }
  if (kind == CONN_TIMEOUT_FIRST && reads(self)) {
    end_for_first(conn);
    return;
  }
  /* A handler that waits for these very bytes is told by what it called. */
  if (self && self->inbox && kind == CONN_TIMEOUT_IDLE && api_wait_time_out(&self->inbox->reader)) {
    api_conn_update_hold(self);
    return;
  }
  if (self && self->inbox && kind == CONN_TIMEOUT_WRITE && has_handler &&
      api_wait_time_out(&self->inbox->drainer)) {
    api_conn_update_hold(self);
    return;
  }
  /* A handler that waits for something else is why nothing moves; it is asked again later. */
  if (self && self->busy && (has_handler || kind != CONN_TIMEOUT_WRITE)) return;
  if (!has_handler) {
    end_for_timeout(conn, kind);
    return;
  }
  if (!self) self = api_conn_of(conn);
  if (!self) return;
  deliver_pending(runtime, self);
  if (self->busy || conn_is_closing(conn)) return;
  self->timeout = (uint8_t)kind;
  const char *word = conn_timeout_name(kind);
  run_handler(runtime, &(struct call){.self = self,
                                      .handler = HANDLER_ON_TIMEOUT,
                                      .bytes = word,
                                      .size = strlen(word)});
  deliver_pending(runtime, self);
}

static void on_close(struct conn *conn, enum reason reason) {
  struct runtime *runtime = runtime_for(conn);
  struct api_conn *self = conn_owner(conn);
  bool tells = conn_has_opened(conn) && service_has(service_for(conn), HANDLER_ON_CLOSE);
  api_conn_log_end(runtime, conn);
  if (!self && tells) self = api_conn_of(conn);
  if (self) {
    self->cohort->closing++;
    if (self->busy || tells) self->past = api_conn_remember(conn, reason);
    self->conn = NULL;
    if (self->inbox) {
      api_wait_wake(&self->inbox->reader);
      api_wait_wake(&self->inbox->drainer);
    }
    /* Last: once it is told, the object may be collected. */
    self->pending = (uint8_t)(PENDING_CLOSE | (self->pending & PENDING_RELOAD));
    deliver_pending(runtime, self);
  }
  versions_changed(runtime);
  runtime->on_room(runtime->context, conn);
}

const struct conn_events api_conn_events = {
    .on_open = on_open,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_drain = on_drain,
    .on_timeout = on_timeout,
    .on_close = on_close,
};
