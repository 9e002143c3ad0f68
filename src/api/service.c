/* api/service.c — runs a script and takes over what it returns. The rules are in lua/moonport/service.lua.
 */
#include "api/service.h"

#include "api/frame.h"
#include "api/runtime.h"
#include "api/tls_context.h"
#include "base/other_names.h"
#include "base/text.h"
#include "net/option.h"
#include "net/socket_wishes.h"
#include "vm/loader.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const handler_names[HANDLER_COUNT] = {
    [HANDLER_ON_OPEN] = "on_open",       [HANDLER_ON_DATA] = "on_data",
    [HANDLER_ON_MESSAGE] = "on_message", [HANDLER_ON_REQUEST] = "on_request",
    [HANDLER_ON_UPGRADE] = "on_upgrade", [HANDLER_ON_DATAGRAM] = "on_datagram",
    [HANDLER_ON_EOF] = "on_eof",         [HANDLER_ON_DRAIN] = "on_drain",
    [HANDLER_ON_TIMEOUT] = "on_timeout", [HANDLER_ON_ERROR] = "on_error",
    [HANDLER_ON_CLOSE] = "on_close",     [HANDLER_MAIN] = "main",
    [HANDLER_ON_LOAD] = "on_load",       [HANDLER_ON_UNLOAD] = "on_unload",
    [HANDLER_ON_RELOAD] = "on_reload",
};

struct loading {
  struct runtime *runtime;
  const char *path;
  struct service *service;
  struct tls_wish tls; /* to be made true once it has run */
  bool faulty;         /* a fault was logged */
  bool has_traceback;  /* an error now is one of the running script, not of its text */
};

bool service_has(const struct service *service, enum handler handler) {
  return service->handlers[handler] != LUA_NOREF;
}

const char *service_handler_name(enum handler handler) {
  return handler_names[handler];
}

void service_init(struct service *service) {
  *service = (struct service){0};
  for (int i = 0; i < HANDLER_COUNT; i++) service->handlers[i] = LUA_NOREF;
}

void service_deinit(struct runtime *runtime, struct service *service) {
  for (int i = 0; i < HANDLER_COUNT; i++) {
    luaL_unref(vm_state(runtime->vm), LUA_REGISTRYINDEX, service->handlers[i]);
  }
  for (size_t i = 0; i < service->listen_count; i++) {
    free(service->listen[i]);
    socket_wishes_deinit(&service->wishes[i]);
  }
  free(service->listen);
  free(service->wishes);
  tls_context_release(service->tls);
  service_door_deinit(&service->door);
  service_init(service);
}

int service_nearest(lua_State *L) {
  const char *known[64];
  const char *word = luaL_checkstring(L, 1);
  size_t count = 0;
  const char *ours = lua_isstring(L, 3) ? other_name(OTHER_FIELDS, lua_tostring(L, 3)) : NULL;
  if (ours) {
    lua_pushstring(L, ours);
    return 1;
  }
  for (lua_Integer i = 1; count < 64 && lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
    known[count++] = lua_tostring(L, -1); /* kept alive by the list */
    lua_pop(L, 1);
  }
  lua_pushstring(L, text_nearest(word, known, count)); /* nil for NULL */
  return 1;
}

/* frame_fault(frame [, message_bytes_max]) -> what is wrong with it, or nil */
static int l_frame_fault(lua_State *L) {
  struct frame_format format;
  lua_Integer message_max = luaL_optinteger(L, 2, FRAME_MESSAGE_BYTES_MAX);
  if (message_max > (lua_Integer)FRAME_MESSAGE_BYTES_MAX) message_max = FRAME_MESSAGE_BYTES_MAX;
  lua_pushstring(L, api_parse_frame(L, 1, (size_t)message_max, &format));
  return 1;
}

/* What works, and may not be what was meant. */
static void log_warnings(lua_State *L, const struct loading *loading, int list) {
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
    log_about(loading->runtime->log, LOG_WARN, loading->path, 0, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
}

static void log_faults(lua_State *L, struct loading *loading, int list) {
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
    const char *fault = lua_tostring(L, -1); /* names its file */
    log_about(loading->runtime->faults, LOG_ERROR, loading->path, 0, "%s", fault);
    runtime_note_fault(loading->runtime, fault);
    lua_pop(L, 1);
  }
  loading->faulty = true;
}

static lua_Integer integer_field(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  lua_Integer value = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

/* The words of the list on top. NULL: it is none, or memory is out. */
static char *take_groups(lua_State *L) {
  size_t count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
  const int list = lua_gettop(L);
  luaL_Buffer words;
  if (count == 0) return NULL;
  luaL_buffinit(L, &words);
  for (size_t i = 0; i < count; i++) {
    if (i > 0) luaL_addchar(&words, ' ');
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    luaL_addvalue(&words);
  }
  luaL_pushresult(&words);
  char *groups = strdup(lua_tostring(L, -1));
  lua_pop(L, 1);
  return groups;
}

/* Of the table on top. */
static void take_wishes(lua_State *L, struct socket_wishes *wishes) {
  const int table = lua_gettop(L);
  wishes->backlog = (int)integer_field(L, table, "backlog");
  wishes->mode = lua_getfield(L, table, "mode") == LUA_TNIL ? -1 : (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  for (const struct net_option *option = net_options; option->name; option++) {
    if (lua_getfield(L, table, option->name) != LUA_TNIL &&
        wishes->option_count < SOCKET_WISHES_MAX) {
      lua_Integer value = lua_tointeger(L, -1);
      wishes->options[wishes->option_count++] =
          (struct socket_wish){option, value > INT_MAX ? INT_MAX : (int)value};
    }
    lua_pop(L, 1);
  }
  bool has_groups = lua_getfield(L, table, "join") != LUA_TNIL;
  wishes->groups = take_groups(L);
  lua_pop(L, 1);
  if (has_groups && !wishes->groups) luaL_error(L, "not enough memory");
}

static void take_listen(lua_State *L, int table, struct service *service) {
  lua_getfield(L, table, "listen");
  lua_getfield(L, table, "listen_options");
  size_t count = lua_rawlen(L, -2);
  service->listen = calloc(count, sizeof *service->listen);
  service->wishes = calloc(count, sizeof *service->wishes);
  if (!service->listen || !service->wishes) {
    luaL_error(L, "not enough memory");
    return; /* never: it raised */
  }
  for (size_t i = 0; i < count; i++) {
    if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING) luaL_error(L, "listen has no text");
    service->listen[i] = strdup(lua_tostring(L, -1));
    if (!service->listen[i]) luaL_error(L, "not enough memory");
    service->listen_count++;
    lua_pop(L, 1);
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    take_wishes(L, &service->wishes[i]);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

static void take_handlers(lua_State *L, int table, struct service *service) {
  lua_getfield(L, table, "handlers");
  for (int i = 0; i < HANDLER_COUNT; i++) {
    if (lua_getfield(L, -1, handler_names[i]) == LUA_TFUNCTION) {
      service->handlers[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

/* Takes over the checked table at `table`. */
static void take_service(lua_State *L, int table, struct loading *loading) {
  struct service *service = loading->service;
  service->connections_max = (size_t)integer_field(L, table, "connections");
  service->per_address_max = (size_t)integer_field(L, table, "per_address");
  service->output_bytes_max = (size_t)integer_field(L, table, "output");
  service->write_queue_bytes_max = (size_t)integer_field(L, table, "write_queue");
  service->message_bytes_max = (size_t)integer_field(L, table, "message");
  service->head_bytes_max = (size_t)integer_field(L, table, "head");
  service->memory_bytes_max = (size_t)integer_field(L, table, "memory");
  service->cpu_ms_max = (unsigned)integer_field(L, table, "cpu_ms");
  service->datagrams_max = (size_t)integer_field(L, table, "datagrams");
  service->versions_max = (size_t)integer_field(L, table, "versions");
  service->workers = (size_t)integer_field(L, table, "workers");
  service->idle_ms = (uint64_t)integer_field(L, table, "idle_ms");
  service->first_ms = (uint64_t)integer_field(L, table, "first_ms");
  service->request_ms = (uint64_t)integer_field(L, table, "request_ms");
  service->write_ms = (uint64_t)integer_field(L, table, "write_ms");
  service->linger_ms = (uint64_t)integer_field(L, table, "linger_ms");
  service->handshake_ms = (uint64_t)integer_field(L, table, "handshake_ms");
  service->reload = (enum reload_policy)integer_field(L, table, "reload");
  service->protocol = (enum protocol)integer_field(L, table, "protocol");
  service->deflates = lua_getfield(L, table, "deflate") == LUA_TBOOLEAN && lua_toboolean(L, -1);
  service->streams = lua_getfield(L, table, "stream") == LUA_TBOOLEAN && lua_toboolean(L, -1);
  if (!service->protocol && lua_getfield(L, table, "frame") != LUA_TNIL &&
      !api_parse_frame(L, -1, service->message_bytes_max, &service->frame)) {
    service->protocol = PROTOCOL_FRAMES;
  }
  service_door_take(L, table, &service->door);
  take_listen(L, table, service);
  take_handlers(L, table, service);
  if (lua_getfield(L, table, "tls") != LUA_TNIL) api_read_tls(L, lua_gettop(L), &loading->tls);
}

static int load_chunk(lua_State *L, const struct loading *loading) {
  const struct runtime *runtime = loading->runtime;
  if (!runtime->text) return loader_load(L, loading->path);
  lua_pushfstring(L, "@%s", loading->path);
  int rc = luaL_loadbufferx(L, runtime->text, runtime->text_size, lua_tostring(L, -1), "t");
  lua_remove(L, -2);
  return rc;
}

static void push_listen(lua_State *L, const struct runtime *runtime) {
  lua_createtable(L, (int)runtime->listen_count, 0);
  for (size_t i = 0; i < runtime->listen_count; i++) {
    lua_pushstring(L, runtime->listen[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* What the operator says in place of the script. */
static void push_operator(lua_State *L, const struct runtime *runtime) {
  lua_createtable(L, 0, 3);
  if (runtime->listen) {
    push_listen(L, runtime);
    lua_setfield(L, -2, "listen");
  }
  lua_pushstring(L, runtime->tls_cert); /* nil for NULL */
  lua_setfield(L, -2, "tls_cert");
  lua_pushstring(L, runtime->tls_key);
  lua_setfield(L, -2, "tls_key");
}

/* They are not for the script to change, nor needed again: what lives is marked at each collection. */
static void forget_rules(lua_State *L) {
  static const char *const modules[] = {"moonport.service",      "moonport.service.report",
                                        "moonport.service.tls",  "moonport.service.listen",
                                        "moonport.service.door", "moonport.service.rules"};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
    lua_pushnil(L);
    lua_setfield(L, -2, modules[i]);
  }
  lua_pop(L, 1);
}

/* Runs in the task that loads the script. */
static int load(lua_State *L) {
  struct loading *loading = lua_touserdata(L, 1);
  lua_settop(L, 0);
  /* First, so that nothing the script does to the libraries changes how it is judged. */
  lua_getglobal(L, "require");
  lua_pushliteral(L, "moonport.service");
  lua_call(L, 1, 1);
  lua_getfield(L, 1, "read");
  lua_replace(L, 1); /* 1: the rules */
  forget_rules(L);
  if (load_chunk(L, loading) != LUA_OK) return lua_error(L);
  loading->has_traceback = true;
  lua_call(L, 0, 1); /* 2: what the script returned */
  loading->has_traceback = false;
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushstring(L, loading->path);
  lua_pushcfunction(L, service_nearest);
  lua_pushcfunction(L, l_frame_fault);
  push_operator(L, loading->runtime);
  lua_pushcfunction(L, service_is_network);
  lua_call(L, 6, 3); /* 3: the checked service or nil, 4: faults or warnings, 5: it is no service */
  if (lua_isnil(L, 3)) {
    log_faults(L, loading, 4);
    loading->runtime->is_foreign = lua_toboolean(L, 5);
  } else {
    log_warnings(L, loading, 4);
    take_service(L, 3, loading);
  }
  return 0;
}

static void service_on_fail(void *self, const struct vm_failure *failure) {
  struct loading *loading = self;
  struct runtime *runtime = loading->runtime;
  char named[1024];
  bool names_file = strncmp(failure->message, loading->path, strlen(loading->path)) == 0;
  snprintf(named, sizeof named, "%s%s%s", names_file ? "" : loading->path, names_file ? "" : ": ",
           failure->message);
  const struct log_record record = {
      .level = LOG_ERROR,
      .script = runtime->script,
      .names_both = true,
      .message = named,
      .message_size = strlen(named),
      .traceback = loading->has_traceback ? failure->traceback : NULL,
      .traceback_size = failure->traceback_size,
  };
  log_write(runtime->faults, &record);
  runtime_note_fault(runtime, named);
  loading->faulty = true;
  if (failure->at_limit && runtime->on_limit) {
    runtime->on_limit(runtime->context, named, record.traceback);
  }
}

bool service_load(struct runtime *runtime, struct vm_world *world, const char *path,
                  struct service *service) {
  struct loading loading = {
      .runtime = runtime, .path = path, .service = service, .tls = {.reference = LUA_NOREF}};
  const struct vm_owner owner = {
      .self = &loading, .name = "load", .world = world, .on_fail = service_on_fail};
  service_init(service);
  vm_forbid_waiting(runtime->vm, "the script is being loaded; wait in a handler or a timer");
  enum vm_status status = runtime_enter(runtime, load, &loading, &owner, NULL);
  vm_forbid_waiting(runtime->vm, NULL);
  bool is_loaded = status == VM_DONE && !loading.faulty;
  if (is_loaded && loading.tls.reference != LUA_NOREF) {
    service->tls = api_make_tls(runtime, &loading.tls);
    is_loaded = service->tls != NULL;
  }
  if (is_loaded) return true;
  service_deinit(runtime, service);
  return false;
}
