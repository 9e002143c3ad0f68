/* api/runtime.c — one script at work: the door into its state, and what follows each entry. */
#include "api/runtime.h"

#include "api/tell.h"
#include "base/heap.h"
#include "base/text.h"
#include "net/defer.h"
#include "net/loop.h"
#include "vm/world.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
  TELL_AGAIN_MS = 10000, /* what may happen often is not logged each time */
  COLLECTOR_CYCLES = 2,  /* the first finds what is dead and runs finalizers, the second frees it */
  REST_BYTES_MIN = 64 * 1024, /* garbage that is worth a collection, */
  REST_RATIO = 100,           /* which takes no more than this part of the time */
};

void runtime_open(lua_State *L, struct runtime *runtime) {
  lua_newtable(L);
  runtime->anchors = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushnil(L); /* names of groups: another runtime of this state may have had its address */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &runtime->anchors);
}

struct runtime *runtime_of(lua_State *L) {
  return vm_context(vm_of(L));
}

struct version *version_of(lua_State *L) {
  const struct vm_world *world = vm_world_in_force(vm_of(L));
  struct version *version = world ? vm_world_owner(world) : NULL;
  if (!version) version = runtime_of(L)->current;
  if (!version) luaL_error(L, "the script has ended");
  return version;
}

void runtime_check_alive(lua_State *L) {
  if (runtime_of(L)->ending) luaL_error(L, "the server is ending: nothing can be begun any more");
}

void runtime_anchor(lua_State *L, struct runtime *runtime, int index) {
  lua_pushvalue(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->anchors);
  lua_insert(L, -2);
  lua_rawseti(L, -2, runtime->anchor_count + 1);
  runtime->anchor_count++;
  lua_pop(L, 1);
}

static void release_anchors(struct runtime *runtime) {
  lua_State *L = vm_state(runtime->vm);
  lua_rawgeti(L, LUA_REGISTRYINDEX, runtime->anchors);
  while (runtime->anchor_count > 0) {
    lua_pushnil(L); /* into a field that is there: needs no memory, so it cannot raise */
    lua_rawseti(L, -2, runtime->anchor_count--);
  }
  lua_pop(L, 1);
}

void runtime_push_received(lua_State *L, struct runtime *runtime, const char *bytes, size_t size) {
  char **room = net_loop_room(runtime->loop);
  if (bytes == *room) {
    vm_push_read(L, room, size);
  } else {
    lua_pushlstring(L, bytes, size);
  }
}

static void tell_own_excess(struct runtime *runtime, const struct conn *conn, const char *bytes) {
  char text[160];
  int size = snprintf(text, sizeof text,
                      "limits.write_queue is full: the connection is reset, with %s that its peer "
                      "did not take",
                      bytes);
  runtime_log(runtime, LOG_WARN, conn_id(conn), text, (size_t)size);
}

static void runtime_on_excess(void *owner, const struct conn *conn, enum conn_bound bound) {
  struct runtime *runtime = owner;
  uint64_t now_ms = net_loop_now_ms(runtime->loop);
  char bytes[TEXT_UNITS_SIZE_MAX];
  text_format_bytes(conn_queue_bytes(conn), bytes);
  if (bound == CONN_BOUND_OWN) {
    tell_own_excess(runtime, conn, bytes);
    return;
  }
  if (runtime->told_output_ms && now_ms - runtime->told_output_ms < TELL_AGAIN_MS) return;
  runtime->told_output_ms = now_ms;
  runtime_logf(
      runtime, LOG_WARN,
      "%s is full with what peers do not take: closing the longest queue, connection #%" PRIu64
      " with %s (write_queue); closed for that so far: %" PRIu64,
      bound == CONN_BOUND_LOOP ? "--output-max" : "limits.output", conn_id(conn), bytes,
      runtime->output.closed);
}

void runtime_collect(struct runtime *runtime) {
  runtime->collector_cycles = COLLECTOR_CYCLES;
  net_defer_ask(runtime->defer);
}

void runtime_rest(struct runtime *runtime) {
  bool has_made = vm_memory_bytes(runtime->vm) > runtime->kept_bytes + REST_BYTES_MIN;
  if (runtime->host || !(has_made || runtime->has_let_go)) return;
  if (net_loop_now_ns(runtime->loop) >= runtime->rests_ns) runtime_collect(runtime);
}

bool runtime_collect_step(struct runtime *runtime) {
  if (runtime->collector_cycles == 0) return false;
  uint64_t begun_ns = net_loop_now_ns(runtime->loop);
  if (vm_collect_step(runtime->vm)) runtime->collector_cycles--;
  uint64_t now_ns = net_loop_now_ns(runtime->loop);
  runtime->collecting_ns += now_ns - begun_ns;
  if (runtime->collector_cycles > 0) return true;
  runtime->rests_ns = now_ns + REST_RATIO * runtime->collecting_ns;
  runtime->collecting_ns = 0;
  runtime->kept_bytes = vm_memory_bytes(runtime->vm);
  runtime->has_let_go = false;
  vm_trim(runtime->vm);
  heap_trim();
  return false;
}

void versions_changed(struct runtime *runtime) {
  if (runtime->versions.next != runtime->versions.prev) net_defer_ask(runtime->defer);
}

/* What a crowd made the script make is garbage now, and an idle script collects none. */
static void runtime_on_fall(void *owner) {
  runtime_collect(owner);
}

void runtime_init_output(struct runtime *runtime) {
  list_init(&runtime->output.crowded);
  runtime->output.account.above = net_loop_output(runtime->loop);
  runtime->output.on_excess = runtime_on_excess;
  runtime->output.on_fall = runtime_on_fall;
  runtime->output.owner = runtime;
}

void runtime_deinit_output(struct runtime *runtime) {
  list_remove(&runtime->output.crowded);
}

static void settle(struct runtime *runtime) {
  if (runtime->anchor_count == 0) {
    net_loop_flush_soon(runtime->loop);
    return;
  }
  net_loop_flush(runtime->loop);
  release_anchors(runtime);
}

enum vm_status runtime_enter(struct runtime *runtime, lua_CFunction body, void *argument,
                             const struct vm_owner *owner, struct vm_task **task) {
  enum vm_status status = vm_enter(runtime->vm, body, argument, owner, task);
  settle(runtime);
  return status;
}

bool runtime_wake(struct runtime *runtime, struct vm_ticket ticket) {
  bool woken = vm_wake(ticket);
  settle(runtime);
  return woken;
}

void runtime_cancel(struct runtime *runtime, struct vm_task *task) {
  vm_cancel(task);
  runtime->cancelled = true;
  net_defer_ask(runtime->defer);
  settle(runtime);
}

void runtime_cancel_world(struct runtime *runtime, const struct vm_world *world) {
  vm_cancel_world(runtime->vm, world);
  runtime->cancelled = true;
  net_defer_ask(runtime->defer);
  settle(runtime);
}

bool runtime_has_time(struct runtime *runtime) {
  if (runtime->ends_at_ms == 0 || net_loop_now_ns(runtime->loop) / 1000000 < runtime->ends_at_ms)
    return true;
  runtime->cut_off++;
  return false;
}

static void runtime_write(struct runtime *runtime, struct log *log,
                          const struct log_record *record) {
  if (runtime->tap && api_is_told(runtime, EVENT_LOG)) {
    api_tell_log(runtime, record->level, record->conn, record->message, record->message_size);
  }
  log_write(log, record);
}

void runtime_log(struct runtime *runtime, enum log_level level, uint64_t conn_id,
                 const char *message, size_t size) {
  const struct log_record record = {
      .level = level,
      .script = runtime->script,
      .conn = conn_id,
      .message = message,
      .message_size = size,
  };
  runtime_write(runtime, runtime->log, &record);
}

void runtime_logf(struct runtime *runtime, enum log_level level, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (size < 0) return;
  runtime_log(runtime, level, 0, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

void runtime_note_fault(struct runtime *runtime, const char *text) {
  if (runtime->fault[0]) return;
  snprintf(runtime->fault, sizeof runtime->fault, "%s", text);
}

void runtime_fault(struct runtime *runtime, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const struct log_record record = {
      .level = LOG_ERROR,
      .script = runtime->script,
      .names_both = true,
      .message = text,
      .message_size = strlen(text),
  };
  runtime_write(runtime, runtime->faults, &record);
  runtime_note_fault(runtime, text);
}

void runtime_forget_fault(struct runtime *runtime) {
  runtime->fault[0] = 0;
  runtime->is_foreign = false;
  runtime->shortage = 0;
}

static void log_failure(struct runtime *runtime, uint64_t conn_id, const struct vm_failure *failure,
                        bool is_told) {
  if (api_is_told(runtime, EVENT_ERROR)) api_tell_error(runtime, conn_id, failure->message);
  const struct log_record record = {
      .level = LOG_ERROR,
      .script = runtime->script,
      .conn = conn_id,
      .message = failure->message,
      .message_size = failure->message_size,
      .traceback = failure->traceback,
      .traceback_size = failure->traceback_size,
  };
  log_write(runtime->log, &record);
  runtime->failures++;
  if (runtime->on_failure) runtime->on_failure(runtime->context, is_told);
}

void runtime_log_failure(struct runtime *runtime, uint64_t conn_id,
                         const struct vm_failure *failure) {
  log_failure(runtime, conn_id, failure, false);
}

void runtime_log_told_failure(struct runtime *runtime, uint64_t conn_id,
                              const struct vm_failure *failure) {
  log_failure(runtime, conn_id, failure, true);
}
