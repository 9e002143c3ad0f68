/* api/receive_http.c — requests, for on_request or main, and what becomes of one that nobody answers.
 *
 * All requests that one read brought are handled in one entry into Lua, in their order, and so are those
 * of the connections that were read beside it: as receive_messages.c and receive_data.c do. A handler that
 * waits holds up its own connection only, and goes on with the next request when it has answered. What is
 * no request is answered here, and is the last that is looked at. */
#include "api/errors.h"
#include "api/http.h"
#include "api/inbox.h"
#include "api/result.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "base/reason.h"

#include <lauxlib.h>

/* What was received, and the next connection's; lives on the C stack until a handler waits. */
struct batch {
  struct api_conn *self;
  struct http_next next;
};

enum { CONN = 1 };

static void http_received(struct conn *conn, const char *bytes, size_t size);

/* --- What is no request ------------------------------------------------------------------------ */

static enum reason reason_of(unsigned status) {
  return status == 413 || status == 414 || status == 431 ? REASON_LIMIT : REASON_ERROR;
}

/* The connection is to be closed behind it. */
static void answer_refused(struct api_conn *self, unsigned status, const char *fault) {
  api_http_forget(self);
  self->more->http.to_head = false;
  api_log_refused(self->runtime, self->conn, status, fault);
  api_http_refuse(self, status, fault, "", true);
}

static void refuse(struct api_conn *self, const struct http_head *head) {
  if (conn_is_closing(self->conn)) { /* memory was out, which is told */
    api_http_forget(self);
    return;
  }
  answer_refused(self, head->status, head->fault);
  conn_close(self->conn, reason_of(head->status));
}

static void http_timed_out(struct api_conn *self) {
  static const char fault[] = "the request did not come to its end in time";
  if (self->more->http.phase != HTTP_IDLE) { /* the rest of one that was answered */
    if (!self->busy) conn_close(self->conn, REASON_IDLE);
    return;
  }
  answer_refused(self, 408, fault);
  if (self->more->inbox) api_wait_time_out(&self->more->inbox->reader);
  if (self->conn) conn_close(self->conn, REASON_IDLE);
}

/* --- What follows an answer ---------------------------------------------------------------------- */

/* Whether the connection may go on with another request. */
static bool finish(struct api_conn *self) {
  bool is_over = self->more->http.phase == HTTP_EVENTS || self->more->http.phase == HTTP_UPGRADED;
  if (!self->conn || conn_is_closing(self->conn) || is_over) return false;
  if (self->more->http.phase == HTTP_IDLE) return true;
  return api_http_skip(self);
}

static void http_failed(struct api_conn *self, bool closes) {
  static const char fault[] = "the server could not answer this request";
  switch ((enum http_phase)self->more->http.phase) {
    case HTTP_DUE:
      closes = closes || !self->more->http.keeps_alive;
      api_http_refuse(self, 500, fault, "", closes);
      break;
    case HTTP_STREAMING: conn_reset(self->conn, REASON_ERROR); return;
    case HTTP_IDLE:
    case HTTP_EVENTS:
    case HTTP_UPGRADED:
    case HTTP_ANSWERED: break;
  }
  if (closes) conn_close(self->conn, REASON_ERROR);
}

/* Nobody wants what comes while events go the other way. */
static void drop_received(struct inbox *inbox) {
  if (!inbox) return;
  inbox_consume(inbox, inbox->size);
  inbox_consume(inbox, inbox->fresh_size);
}

static bool has_asked(const struct api_conn *self) {
  return self->more->http.incoming || (self->more->inbox && !inbox_empty(self->more->inbox)) ||
         self->runtime->in_hand == self->conn || conn_unread_bytes(self->conn) > 0;
}

/* Nobody should ask here any more; who has asked already, so that it is only to be read, is answered. */
static void end_if_draining(struct api_conn *self) {
  bool ends = self->runtime->draining || self->cohort->version->drain;
  if (ends && !has_asked(self) && !version_spares(self->cohort->version, self->conn))
    conn_close(self->conn, self->runtime->draining ? REASON_SHUTDOWN : REASON_RELOAD);
}

/* Whether there is another request to be handled: then it is in `next`. */
static bool find_next(struct api_conn *self, struct http_next *next) {
  if (self->more->http.phase == HTTP_EVENTS) drop_received(self->more->inbox);
  if (!finish(self)) return false;
  switch (api_http_next(self, next)) {
    case HTTP_NEXT_MORE: end_if_draining(self); return false;
    case HTTP_NEXT_REFUSED: refuse(self, &next->head); return false;
    case HTTP_NEXT_READY: return true;
  }
  return false;
}

/* --- on_request ------------------------------------------------------------------------------ */

/* What is above the connection is what on_request returned. */
static int answer(lua_State *L) {
  struct api_conn *self = lua_touserdata(L, CONN);
  int count = lua_gettop(L) - CONN;
  if (!self->conn || conn_is_closing(self->conn)) return 0;
  if (self->more->http.phase == HTTP_STREAMING) {
    return luaL_error(L, "on_request ended before the body that it answers with");
  }
  if (self->more->http.phase != HTTP_DUE) {
    if (count > 0) api_tell_result(L, HANDLER_ON_REQUEST, CONN + 1);
    return 0;
  }
  if (count > 1) return api_http_no_answer(L, "but several values");
  if (count == 0 || lua_isnil(L, CONN + 1)) return api_http_no_answer(L, "but nothing");
  return api_http_respond(L, self, true, vm_nothing_follows);
}

static int returned(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return answer(L); /* what has come behind it is looked at when this handler has ended */
}

/* Pushes the request; the handler at `index` is about to get it. */
static void push_request(lua_State *L, struct api_conn *self, const struct http_next *next) {
  if (api_is_told(self->runtime, EVENT_MESSAGE)) {
    api_tell_message(L, self->conn, next->bytes, next->head.size);
  }
  api_push_request(L, self, next);
}

static void call(lua_State *L, struct api_conn *self, const struct http_next *next) {
  const struct service *service = &self->cohort->version->service;
  lua_rawgeti(L, LUA_REGISTRYINDEX, service->handlers[HANDLER_ON_REQUEST]);
  lua_pushvalue(L, CONN);
  push_request(L, self, next);
  if (api_tells_handlers(self->runtime)) api_tell_handler(L, "on_request", -3);
  lua_callk(L, 2, LUA_MULTRET, 0, returned);
  answer(L);
}

static void handle_one(lua_State *L, struct api_conn *self, const struct http_next *next) {
  const struct service *service = &self->cohort->version->service;
  bool is_websocket = service->protocol == PROTOCOL_WEBSOCKET;
  if (is_websocket && next->head.upgrades &&
      http_field_has(next->bytes, &next->head, "upgrade", "websocket")) {
    push_request(L, self, next);
    api_websocket_upgrade(L, self);
  } else if (service_has(service, HANDLER_ON_REQUEST)) {
    call(L, self, next);
  } else {
    push_request(L, self, next);
    api_http_refuse(self, 426, "this is a WebSocket: the request has to upgrade to it",
                    "Upgrade: websocket\r\n", !self->more->http.keeps_alive);
    api_http_answered(self);
  }
}

static void handle_all(lua_State *L, struct api_conn *self, struct http_next *next) {
  api_push_conn(L, self);
  lua_replace(L, CONN);
  for (bool is_first = true; is_first || find_next(self, next); is_first = false) {
    if (!is_first) vm_count_lap(self->runtime->vm);
    handle_one(L, self, next);
    lua_settop(L, CONN);
    if (!api_http_is_full(self)) continue;
    (void)api_drain(L, self); /* when it waits, the rest is looked at after that */
    lua_settop(L, CONN);
  }
}

/* The next connection that received a request meanwhile. */
static bool next_of_batch(struct batch *batch) {
  while (api_next_fed(&batch->self, http_received, HANDLER_ON_REQUEST)) {
    if (find_next(batch->self, &batch->next)) return true;
  }
  return false;
}

/* Both run in the handler's coroutine, which is of the one whose handler waits, and ends with it. */
static int requests_handle(lua_State *L) {
  struct batch *batch = lua_touserdata(L, 1);
  do {
    handle_all(L, batch->self, &batch->next);
  } while (next_of_batch(batch));
  return 0;
}

static int requests_handle_kept(lua_State *L) {
  struct batch *batch = lua_touserdata(L, 1);
  handle_all(L, batch->self, &batch->next);
  return 0;
}

static void http_received(struct conn *conn, const char *bytes, size_t size) {
  struct api_conn *self = conn_owner(conn);
  struct batch batch = {.self = self};
  if (!api_take_inbox(self, bytes, size)) {
    conn_close_starved(conn);
    return;
  }
  if (find_next(self, &batch.next)) {
    api_enter_handler(self, HANDLER_ON_REQUEST, requests_handle, &batch);
  }
  self = batch.self; /* the last one */
  api_give_back_inbox(self);
  bool has_more = self->more->inbox && self->more->http.phase != HTTP_IDLE;
  if (self->pending || has_more) api_conn_deliver(self);
}

static bool http_deliver_kept(struct api_conn *self) {
  struct batch batch = {.self = self};
  bool has_one = find_next(self, &batch.next);
  if (has_one) api_enter_handler(self, HANDLER_ON_REQUEST, requests_handle_kept, &batch);
  return has_one;
}

/* Empty lines may stand between requests. */
static bool is_blank(const struct inbox *inbox) {
  for (size_t i = 0; i < inbox->size; i++) {
    char c = inbox->bytes[inbox->start + i];
    if (c != '\r' && c != '\n') return false;
  }
  return true;
}

/* The peer may still read what was wrong. */
static bool http_deliver_last(struct api_conn *self) {
  const struct http_head cut = {.status = 400, .fault = "the connection ended within the request"};
  bool is_cut = self->more->http.incoming || (self->more->inbox && !is_blank(self->more->inbox));
  if (!is_cut || self->more->http.phase != HTTP_IDLE) return false;
  refuse(self, &cut);
  return true;
}

static bool http_is_idle(const struct api_conn *self) {
  bool reads = self->more->inbox && api_wait_pending(&self->more->inbox->reader);
  if (self->more->http.phase != HTTP_IDLE && self->more->http.phase != HTTP_ANSWERED) return false;
  if (self->more->http.incoming || (self->more->inbox && !inbox_empty(self->more->inbox)))
    return false;
  return !self->busy || reads;
}

/* --- main ------------------------------------------------------------------------------------ */

static int http_take(lua_State *L, struct api_conn *self) {
  struct http_next next;
  if (self->more->http.phase != HTTP_IDLE && self->more->http.phase != HTTP_ANSWERED) {
    return luaL_error(L, "the request before it is not answered yet: first call conn:respond{ … }");
  }
  if (!finish(self)) return 0;
  switch (api_http_next(self, &next)) {
    case HTTP_NEXT_MORE: end_if_draining(self); return 0;
    case HTTP_NEXT_REFUSED:
      refuse(self, &next.head);
      return api_push_failure(
          L, reason_of(next.head.status) == REASON_LIMIT ? "limit" : "malformed", next.head.fault);
    case HTTP_NEXT_READY: push_request(L, self, &next); return 1;
  }
  return 0;
}

static void main_failed(struct api_conn *self, bool closes) {
  static const char text[] = "main ended without an answer to the request at hand";
  bool is_due = self->more->http.phase == HTTP_DUE || self->more->http.phase == HTTP_STREAMING;
  if (is_due && !closes) runtime_log(self->runtime, LOG_ERROR, self->id, text, sizeof text - 1);
  http_failed(self, closes);
}

static int no_take(lua_State *L, struct api_conn *self) {
  (void)self;
  return luaL_error(L, "recv_message() gives requests to main, and here on_request gets them");
}

static void main_received(struct conn *conn, const char *bytes, size_t size) {
  (void)conn, (void)bytes, (void)size; /* it has ended */
}

static bool main_deliver_kept(struct api_conn *self) {
  (void)self;
  return false;
}

static const struct request_hooks hooks = {
    .failed = http_failed, .timed_out = http_timed_out, .is_idle = http_is_idle, .take = no_take};
static const struct request_hooks main_hooks = {
    .failed = main_failed, .timed_out = http_timed_out, .is_idle = http_is_idle, .take = http_take};

const struct receiver api_receive_http = {.received = http_received,
                                          .deliver_kept = http_deliver_kept,
                                          .deliver_last = http_deliver_last,
                                          .joins_kept = true,
                                          .requests = &hooks};
const struct receiver api_receive_http_main = {
    .received = main_received, .deliver_kept = main_deliver_kept, .requests = &main_hooks};
