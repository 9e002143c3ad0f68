/* cli/inspect.c — `moonport inspect [RECORDING]`: serves the inspector's page. Knows nothing of it: that is
 * lua/moonport/inspect, a service as any other. */
#include "api/runtime.h"
#include "cli/in_lua.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "server/script.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  BACKLOG = 64,
  DRAIN_MS = 500, /* browsers answer a close at once, or are gone */
};

static const char text[] = "return require('moonport.inspect.service')(inspector)";

static void append_listener(void *context, const char *name) {
  lua_State *L = context;
  lua_pushstring(L, name);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* inspector.listeners() -> { "tcp://127.0.0.1:40321" } */
static int l_listeners(lua_State *L) {
  const struct script *script = runtime_of(L)->context;
  lua_newtable(L);
  listen_set_each(&script->listeners, append_listener, L);
  return 1;
}

/* inspector.refuse(message): ends the process, before anything is served */
static int l_refuse(lua_State *L) {
  fprintf(stderr, "moonport: %s\n", luaL_checkstring(L, 1));
  exit(EXIT_AT_FAULT);
}

static const luaL_Reg functions[] = {
    {"listeners", l_listeners}, {"refuse", l_refuse}, {NULL, NULL}};

static void furnish(lua_State *L, const void *context) {
  in_lua_push_call(L, context);
  luaL_setfuncs(L, functions, 0);
  lua_setglobal(L, "inspector");
}

int inspect_command(const struct command_call *call) {
  struct log *log = settings_log_new(call->options, LOG_PROSE);
  if (!log) return EXIT_AT_FAULT;
  const struct server_own own = {
      .name = "moonport inspect", .text = text, .furnish = furnish, .context = call};
  struct server_options options = settings_read(call, NULL, log);
  options.own = &own;
  options.path_count = 0;
  options.host =
      "127.0.0.1"; /* whatever MOONPORT_HOST says: it is no script that others are to reach */
  options.listen = options_given(call->options, "listen") ? options.listen : "127.0.0.1:0";
  options.backlog = BACKLOG;
  options.drain_ms = DRAIN_MS;
  options.no_watch = true;
  options.place = -1;
  struct server *server = NULL;
  int code = server_open(&options, &server) < 0 ? EXIT_AT_FAULT : EXIT_DONE;
  if (code == EXIT_DONE) code = server_end(server, server_run(server));
  log_free(log);
  return code;
}
