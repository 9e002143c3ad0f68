/* api/tell.c — what a script does, told to those who watch: with the line that did it. */
#include "api/tell.h"

#include "base/platform.h"
#include "net/loop.h"
#include "vm/tell.h"

#include <stdio.h>
#include <uv.h>

enum { LOG_TEXT_BYTES_MAX = 1024 }; /* the rest of a line is in the log */

void api_tell_begin(struct runtime *runtime) {
  runtime->tap = runtime->is_silent ? &runtime->nobody : net_loop_tap(runtime->loop);
  tap_init(&runtime->nobody);
  runtime->sequential.script = runtime->is_silent ? NULL : runtime->script;
  vm_set_tap(runtime->vm, runtime->tap, runtime->script);
}

void api_tell_handler(lua_State *L, const char *name, int index) {
  vm_tell_handler(L, name, index);
}

void api_tell_call(lua_State *L, struct conn *conn, const char *call) {
  struct event_place place = vm_caller_place(L);
  struct event event = {.kind = EVENT_CALL};
  event.of.call.call = call;
  event.of.call.file = place.file;
  event.of.call.line = place.line;
  conn_tell(conn, &event);
}

void api_tell_send(lua_State *L, struct conn *conn, size_t size) {
  struct event_place place = vm_caller_place(L);
  conn_tell_send(conn, size, "script", &place);
}

/* As much of the bytes as one event carries. */
static size_t kept_of(size_t size) {
  return size < EVENT_BYTES_MAX ? size : EVENT_BYTES_MAX;
}

void api_tell_recv(lua_State *L, struct conn *conn, const char *call, int index) {
  struct event_place place = vm_caller_place(L);
  struct event event = {.kind = EVENT_RECV};
  event.bytes = lua_tolstring(L, index, &event.size);
  event.kept = kept_of(event.size);
  event.of.recv.call = call;
  event.of.recv.file = place.file;
  event.of.recv.line = place.line;
  conn_tell(conn, &event);
}

void api_tell_message(lua_State *L, struct conn *conn, const char *bytes, size_t size) {
  vm_tell_returned(L);
  struct event event = {.kind = EVENT_MESSAGE, .bytes = bytes, .size = size};
  event.kept = kept_of(size);
  conn_tell(conn, &event);
}

static void tell_of_script(const struct runtime *runtime, struct event *event) {
  event->script = runtime->script;
  tap_emit(runtime->tap, event);
}

void api_tell_sendto(lua_State *L, const struct runtime *runtime, const char *bytes, size_t size,
                     const char *peer, int rc) {
  struct event_place place = vm_caller_place(L);
  struct event event = {.kind = EVENT_SENDTO, .bytes = bytes, .size = size};
  event.kept = kept_of(size);
  event.of.sendto.peer = peer;
  event.of.sendto.error = rc < 0 ? uv_err_name(rc) : NULL;
  event.of.sendto.file = place.file;
  event.of.sendto.line = place.line;
  tell_of_script(runtime, &event);
}

void api_tell_listen(const struct runtime *runtime, enum event_kind kind, const char *address) {
  struct event event = {.kind = kind};
  event.of.listen.address = address; /* unlisten has the same */
  tell_of_script(runtime, &event);
}

void api_tell_backlog(const struct runtime *runtime, const char *address,
                      const struct platform_backlog *backlog) {
  struct event event = {.kind = EVENT_BACKLOG, .source = EVENT_KERNEL};
  event.of.backlog.address = address;
  event.of.backlog.waiting = backlog->waiting;
  event.of.backlog.limit = backlog->limit;
  tell_of_script(runtime, &event);
}

void api_tell_error(const struct runtime *runtime, uint64_t conn_id, const char *message) {
  struct event event = {.kind = EVENT_ERROR, .conn = conn_id};
  event.of.error.message = message;
  tell_of_script(runtime, &event);
}

void api_tell_reload(const struct runtime *runtime, const char *outcome, uint64_t version,
                     const char *error) {
  struct event event = {.kind = EVENT_RELOAD};
  event.of.reload.outcome = outcome;
  event.of.reload.version = version;
  event.of.reload.error = error;
  tell_of_script(runtime, &event);
}

void api_tell_log(const struct runtime *runtime, enum log_level level, uint64_t conn_id,
                  const char *message, size_t size) {
  static const char *const names[] = {
      [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
  char text[LOG_TEXT_BYTES_MAX];
  snprintf(text, sizeof text, "%.*s", (int)(size < sizeof text ? size : sizeof text - 1), message);
  struct event event = {.kind = EVENT_LOG, .conn = conn_id};
  event.of.log.level = names[level];
  event.of.log.message = text;
  tell_of_script(runtime, &event);
}
