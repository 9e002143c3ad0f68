/* api/modules.c — the types and modules that scripts see, made from what the other files define.
 *
 * It stands on top of them: none of them knows how, or whether, it is offered to scripts. */
#include "api/modules.h"

#include "api/conn.h"
#include "api/http.h"
#include "api/runtime.h"
#include "api/values.h"
#include "base/worker.h"
#include "vm/watchdog.h"

#include <stdio.h>
#include <string.h>

static int open_log(lua_State *L);
static int open_worker(lua_State *L);

static const struct module {
  const char *name;
  const luaL_Reg *functions[8];    /* NULL ends them */
  const struct api_type *types[3]; /* of what those make; NULL ends them */
  lua_CFunction open;              /* adds what is no function, or makes another one */
} modules[] = {
    {"moonport.address", {api_address_functions}, {NULL}, NULL},
    {"moonport.assets", {api_assets_functions}, {NULL}, NULL},
    {"moonport.bus", {api_bus_functions}, {&api_bus_type}, NULL},
    {"moonport.calls", {api_calls_functions}, {NULL}, NULL},
    {"moonport.codec.core", {api_codec_functions}, {NULL}, api_complete_codec},
    {"moonport.control.core", {api_control_functions}, {NULL}, NULL},
    {"moonport.file", {api_file_functions}, {&api_file_type}, NULL},
    {"moonport.frame", {api_frame_functions}, {&api_frame_type}, NULL},
    {"moonport.http.core", {api_http_functions}, {NULL}, NULL},
    {"moonport.json",
     {api_json_functions},
     {&api_json_box_type, &api_json_writer_type},
     api_complete_json},
    {"moonport.log", {NULL}, {NULL}, open_log},
    {"moonport.metrics",
     {api_metrics_functions},
     {&api_counter_type, &api_gauge_type, &api_histogram_type},
     NULL},
    {"moonport.process.core", {api_process_functions}, {&api_process_type}, NULL},
    {"moonport.server",
     {api_server_functions, api_group_functions},
     {&api_group_type},
     api_complete_group},
    {"moonport.shared.core", {api_shared_functions}, {&api_store_type}, NULL},
    {"moonport.show.core", {api_show_functions}, {NULL}, NULL},
    {"moonport.socket.core",
     {api_socket_functions, api_listener_functions, api_udp_functions, api_option_functions,
      api_tls_functions, api_starttls_functions, api_lending_functions, api_proxy_functions},
     {&api_attempt_type, &api_listener_type},
     NULL},
    {"moonport.task.core",
     {api_task_functions, api_gate_functions},
     {&api_task_type, &api_gate_type, &api_waiter_type},
     NULL},
    {"moonport.test.core", {NULL}, {NULL}, api_open_testing},
    {"moonport.timer", {api_timer_functions}, {&api_timer_type}, NULL},
    {"moonport.websocket.core", {api_websocket_functions}, {NULL}, NULL},
    {"moonport.worker", {NULL}, {NULL}, open_worker},
};
enum {
  MODULE_COUNT = sizeof modules / sizeof *modules,
  FUNCTIONS_MAX = sizeof modules->functions / sizeof *modules->functions,
  TYPES_MAX = sizeof modules->types / sizeof *modules->types,
};

/* Sets functions in the table on top, and makes them known to who tells what holds the loop up: of
 * "moonport.socket.core" or "moonport.udp" as "socket." or "udp:" and their names. */
static void set_functions(lua_State *L, const char *name, char separator,
                          const luaL_Reg *functions) {
  char prefix[24];
  const char *word = strchr(name, '.') + 1;
  snprintf(prefix, sizeof prefix, "%.*s%c", (int)strcspn(word, "."), word, separator);
  luaL_setfuncs(L, functions, 0);
  vm_watchdog_name(L, prefix, functions);
}

/* Registered when it is complete: memory may run out on the way. */
static void make_type(lua_State *L, const struct api_type *type) {
  bool is_there = luaL_getmetatable(L, type->name) != LUA_TNIL;
  lua_pop(L, 1);
  if (is_there) return;
  api_push_metatable(L, type->name);
  if (type->finalizer) {
    lua_pushcfunction(L, type->finalizer);
    lua_setfield(L, -2, "__gc");
  }
  if (type->methods) {
    lua_newtable(L);
    set_functions(L, type->name, ':', type->methods);
    if (type->closer) api_set_closer(L, type->closer);
    lua_setfield(L, -2, "__index");
  }
  lua_setfield(L, LUA_REGISTRYINDEX, type->name);
}

static void make_conn_type(lua_State *L) {
  static const char name[] = "moonport.conn";
  api_push_metatable(L, name);
  lua_newtable(L);
  set_functions(L, name, ':', api_conn_methods);
  set_functions(L, name, ':', api_recv_methods);
  set_functions(L, name, ':', api_forward_methods);
  set_functions(L, name, ':', api_unpack_methods);
  set_functions(L, name, ':', api_http_methods);
  set_functions(L, name, ':', api_starttls_methods);
  set_functions(L, name, ':', api_conn_timer_methods);
  set_functions(L, name, ':', api_send_file_methods);
  set_functions(L, name, ':', api_websocket_methods);
  api_set_conn_fields(L);
  lua_pop(L, 1);
  api_set_conn_metatable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

int api_prepare(lua_State *L) {
  struct runtime *runtime = lua_touserdata(L, 1);
  runtime_open(L, runtime);
  if (runtime->host) return 0; /* the types of its state are there */
  make_conn_type(L);
  make_type(L, &api_timer_type); /* of conn:after(), without the module */
  api_open_http(L);
  make_type(L, &api_events_type);
  make_type(L, &api_udp_type);
  make_type(L, &api_tls_type);
  make_type(L, &api_disk_type);
  make_type(L, &api_sending_type);
  return 0;
}

/* Upvalue 1: the module. Pushes it. */
static int open_module(lua_State *L) {
  const struct module *module = lua_touserdata(L, lua_upvalueindex(1));
  for (size_t i = 0; i < TYPES_MAX && module->types[i]; i++) {
    make_type(L, module->types[i]);
  }
  lua_newtable(L);
  for (size_t i = 0; i < FUNCTIONS_MAX && module->functions[i]; i++) {
    set_functions(L, module->name, '.', module->functions[i]);
  }
  return module->open ? module->open(L) : 1;
}

static int open_log(lua_State *L) {
  static const struct {
    const char *name;
    enum log_level level;
  } levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}};
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    lua_pushinteger(L, levels[i].level);
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "format");
    lua_remove(L, -2);
    lua_pushcclosure(L, api_log, 2);
    lua_setfield(L, -2, levels[i].name);
  }
  return 1;
}

/* Without others it is the only one. */
static int open_worker(lua_State *L) {
  const struct worker *worker = runtime_of(L)->worker;
  api_set_integer(L, "id", worker ? worker->number : 1);
  api_set_integer(L, "count", worker ? worker->count : 1);
  return 1;
}

int api_furnish(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (size_t i = 0; i < MODULE_COUNT; i++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)&modules[i]);
    lua_pushcclosure(L, open_module, 1);
    lua_setfield(L, -2, modules[i].name);
  }
  lua_pop(L, 1);
  const struct runtime *runtime = runtime_of(L);
  if (runtime->is_program) return 0;
  lua_pushcfunction(L, api_print);
  lua_setglobal(L, "print");
  return runtime->furnish ? runtime->furnish(L) : 0;
}
