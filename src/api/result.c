/* api/result.c — what a handler or a function returns to nobody: told, once. Knows no connection.
 *
 * `return conn:send(data)` is how many leave a handler, and what calls like that return says nothing:
 * true, nil, a number of receivers, a task. A string or a table was made to be seen by somebody. */
#include "api/result.h"

#include "api/runtime.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdio.h>

enum { TIMER = HANDLER_COUNT }; /* its bit, beside those of the handlers */

static const char *what_follows(enum handler handler) {
  switch (handler) {
    case HANDLER_ON_TIMEOUT:
    case HANDLER_ON_ERROR:
      return "which only keeps the connection, as true does; conn:send(…) sends";
    case HANDLER_ON_DATAGRAM: return "which is dropped; sock:send(data, peer) sends";
    case HANDLER_ON_REQUEST: return "which is dropped: conn:respond or conn:events had answered";
    case HANDLER_ON_CLOSE: return "which is dropped: the connection is gone";
    case HANDLER_ON_LOAD: return "which is dropped: what on_unload returns is for the next version";
    case HANDLER_ON_MESSAGE: return "which is dropped; conn:send_message(…) sends";
    default: return "which is dropped; conn:send(…) sends";
  }
}

static bool is_news(struct version *version, int bit) {
  bool is_told = version->told_results & 1u << bit;
  version->told_results |= 1u << bit;
  return !is_told;
}

/* Of the code that runs; NULL: it has been freed. */
static struct version *version_that_runs(lua_State *L) {
  const struct vm_world *world = vm_world_in_force(vm_of(L));
  return world ? vm_world_owner(world) : NULL;
}

/* The function on top is where it is to be told. */
static void tell(lua_State *L, const char *name, const char *type, const char *follows) {
  struct runtime *runtime = runtime_of(L);
  lua_Debug function;
  char text[LUA_IDSIZE + 200];
  lua_getinfo(L, ">S", &function);
  int size = snprintf(text, sizeof text, "%s (%s:%d) returned a %s, %s", name, function.short_src,
                      function.linedefined, type, follows);
  runtime_log(runtime, LOG_WARN, vm_running_conn_id(runtime->vm), text, (size_t)size);
}

static bool looks_lost(lua_State *L, int index) {
  int type = lua_type(L, index);
  return type == LUA_TSTRING || type == LUA_TTABLE;
}

void api_tell_result(lua_State *L, enum handler handler, int index) {
  struct version *version = version_that_runs(L);
  if (!looks_lost(L, index) || !version || !is_news(version, (int)handler)) return;
  const char *type = luaL_typename(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, version->service.handlers[handler]);
  tell(L, service_handler_name(handler), type, what_follows(handler));
}

void api_tell_timer_result(lua_State *L, int function, int index) {
  struct version *version = version_that_runs(L);
  if (!looks_lost(L, index) || !version || !is_news(version, TIMER)) return;
  const char *type = luaL_typename(L, index);
  lua_pushvalue(L, function);
  tell(L, "the function of a timer", type, "which is dropped");
}

const char *api_push_handler_place(lua_State *L, enum handler handler) {
  lua_Debug function;
  lua_rawgeti(L, LUA_REGISTRYINDEX, version_of(L)->service.handlers[handler]);
  lua_getinfo(L, ">S", &function);
  return lua_pushfstring(L, "%s (%s:%d)", service_handler_name(handler), function.short_src,
                         function.linedefined);
}
