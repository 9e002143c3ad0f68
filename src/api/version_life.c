/* api/version_life.c — what a version is told of its own life: on_load, on_unload.
 *
 * Both run between two events and may not wait. What on_unload returns is handed to the next
 * version's on_load as previous.state, so that a counter or a table of names lives on. */
#include "api/version_life.h"

#include "api/result.h"
#include "api/runtime.h"
#include "api/version.h"

#include <lauxlib.h>
#include <stdio.h>

/* Registry key of what on_unload returned. */
static const char handed_over_key = 0;

struct telling {
  struct version *version;
  unsigned other; /* the number of the version before or after; 0: none */
};

/* Pushes { version = other [, state = …] }, or nil when there is no other. */
static void push_other(lua_State *L, unsigned other, bool with_state) {
  if (other == 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, other);
  lua_setfield(L, -2, "version");
  if (!with_state) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handed_over_key);
  lua_setfield(L, -2, "state");
}

static int call_on_load(lua_State *L) {
  const struct telling *telling = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, telling->version->service.handlers[HANDLER_ON_LOAD]);
  push_other(L, telling->other, true);
  lua_call(L, 1, 1);
  api_tell_result(L, HANDLER_ON_LOAD, -1);
  return 0;
}

static int call_on_unload(lua_State *L) {
  const struct telling *telling = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, telling->version->service.handlers[HANDLER_ON_UNLOAD]);
  push_other(L, telling->other, false);
  lua_call(L, 1, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handed_over_key);
  return 0;
}

static int forget_state(lua_State *L) {
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handed_over_key);
  return 0;
}

static void life_on_fail(void *self, const struct vm_failure *failure) {
  const struct version *version = self;
  char fault[512];
  snprintf(fault, sizeof fault, "version %u is in force, but its on_load raised: %s",
           version->number, failure->message);
  runtime_log_failure(version->runtime, 0, failure);
  if (version == version->runtime->current) runtime_note_fault(version->runtime, fault);
}

static bool life_tell(struct version *version, enum handler handler, lua_CFunction body,
                      unsigned other) {
  struct runtime *runtime = version->runtime;
  struct telling telling = {.version = version, .other = other};
  const struct vm_owner owner = {.self = version,
                                 .name = service_handler_name(handler),
                                 .world = version->world,
                                 .on_fail = life_on_fail};
  vm_forbid_waiting(runtime->vm, "on_load and on_unload run between two events; spawn a task");
  enum vm_status status = runtime_enter(runtime, body, &telling, &owner, NULL);
  vm_forbid_waiting(runtime->vm, NULL);
  return status == VM_DONE;
}

bool version_tell_loaded(struct version *version, unsigned before) {
  char error[1];
  bool told = true;
  if (service_has(&version->service, HANDLER_ON_LOAD))
    told = life_tell(version, HANDLER_ON_LOAD, call_on_load, before);
  vm_protect(version->runtime->vm, forget_state, NULL, error, sizeof error);
  return told;
}

void version_tell_unloaded(struct version *version, unsigned next) {
  if (!service_has(&version->service, HANDLER_ON_UNLOAD)) return;
  if (runtime_has_time(version->runtime)) {
    life_tell(version, HANDLER_ON_UNLOAD, call_on_unload, next);
  }
}
