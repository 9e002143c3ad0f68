/* api/tell.h — what a script does, told to those who watch: with the line that did it. */
#pragma once

#include "api/runtime.h"
#include "base/tap.h"

#include <lua.h>

struct platform_backlog;
struct sockaddr;

/* Names the runtime's connections and its state, once `script` and `loop` are set: from then on what
 * happens there can be watched. */
void api_tell_begin(struct runtime *runtime);

/* One load and one branch while nobody watches. The functions below are called behind it. */
static inline bool api_is_told(const struct runtime *runtime, enum event_kind kind) {
  return tap_wants(runtime->tap, kind);
}

/* The same for a handler as a whole: its call, its waits, its end. */
static inline bool api_tells_handlers(const struct runtime *runtime) {
  const uint64_t kinds = UINT64_C(1) << EVENT_HANDLER | UINT64_C(1) << EVENT_WAIT |
                         UINT64_C(1) << EVENT_WAKE | UINT64_C(1) << EVENT_HANDLED;
  return __builtin_expect((runtime->tap->kinds & kinds) != 0, 0);
}

/* The function at `index` is about to be called as `name` (static text). */
void api_tell_handler(lua_State *L, const char *name, int index);
/* The script calls a method that changes the connection. */
void api_tell_call(lua_State *L, struct conn *conn, const char *call);
/* It has queued a message of `size` bytes. */
void api_tell_send(lua_State *L, struct conn *conn, size_t size);
/* It gets the string at `index` from recv() or its like. */
void api_tell_recv(lua_State *L, struct conn *conn, const char *call, int index);
/* A handler is about to get a whole message, after those before it. */
void api_tell_message(lua_State *L, struct conn *conn, const char *bytes, size_t size);
/* It sent a datagram, or tried to. `peer` is NULL on a connected socket; `rc` is 0 or UV_E*. */
void api_tell_sendto(lua_State *L, const struct runtime *runtime, const char *bytes, size_t size,
                     const char *peer, int rc);
/* EVENT_LISTEN or EVENT_UNLISTEN. */
void api_tell_listen(const struct runtime *runtime, enum event_kind kind, const char *address);
void api_tell_backlog(const struct runtime *runtime, const char *address,
                      const struct platform_backlog *backlog);
/* A version of the script came into force, or did not. `outcome` as in the log; `error` may be
 * NULL. */
void api_tell_reload(const struct runtime *runtime, const char *outcome, uint64_t version,
                     const char *error);
/* A line of the log in the script's name. */
void api_tell_log(const struct runtime *runtime, enum log_level level, uint64_t conn_id,
                  const char *message, size_t size);
/* Code of the script raised. */
void api_tell_error(const struct runtime *runtime, uint64_t conn_id, const char *message);
