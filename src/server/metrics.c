/* server/metrics.c — GET /metrics: what is counted, for Prometheus — does not count. */
#include "server/metrics.h"

#include "api/conn.h"
#include "api/runtime.h"
#include "base/platform.h"
#include "net/connect.h"
#include "net/timer.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000 }; /* with those who have asked, or are about to, when the server ends */

/* For messages, where it is the option that says the address; and as a file's name: there is no such file. */
static const char path[] = "--metrics";
static const char text[] = "return require 'moonport.metrics.service'";

/* connect() -> conn | nil, message: to the server's own control socket, without its address */
static int l_connect(lua_State *L) {
  struct runtime *runtime = runtime_of(L);
  struct conn_group *group = &runtime->sequential;
  const struct script_options *options = script_options_of(runtime);
  const struct metrics_server *server = LIST_ELEMENT(options, struct metrics_server, options);
  const struct sockaddr unnamed = {.sa_family = AF_UNIX};
  int pair[2];
  runtime_check_alive(L);
  if (!server->control) {
    luaL_pushfail(L);
    lua_pushliteral(L, "not enough memory at the start: restart the server");
    return 2;
  }
  if (platform_socketpair(SOCK_STREAM, false, pair) < 0) {
    luaL_pushfail(L);
    lua_pushstring(L, strerror(errno));
    return 2;
  }
  int rc = net_adopt(group, pair[0], &unnamed, CONN_NO_LISTENER);
  if (rc < 0) {
    close(pair[1]);
    luaL_pushfail(L);
    lua_pushliteral(L, "not enough memory");
    return 2;
  }
  struct conn *conn = conn_group_newest(group);
  server->adopt(server->control, pair[1]); /* when that fails, the other end is closed */
  api_give_conn(L, runtime, conn);
  return 1;
}

static int metrics_furnish(lua_State *L) {
  lua_pushcfunction(L, l_connect);
  lua_setglobal(L, "connect");
  return 0;
}

struct metrics_server *metrics_server_load(const struct script_options *options,
                                           const char *address) {
  struct metrics_server *server = calloc(1, sizeof *server);
  if (!server) {
    log_printf(options->log, LOG_ERROR, "not enough memory for --metrics");
    return NULL;
  }
  server->address = address;
  server->options = *options;
  server->options.listen = &server->address;
  server->options.listen_count = 1;
  server->options.tls_cert = server->options.tls_key = NULL;
  server->options.access_log = false;
  server->options.measures = false;
  server->options.holds_faults = false;
  server->options.is_silent = server->options.is_tested = true;
  server->options.grants = NULL;
  server->options.on_source = NULL;
  server->options.furnish = metrics_furnish;
  server->script = script_new_later(path, &server->options);
  if (server->script) {
    script_set_text(server->script, text);
    if (script_load_first(server->script) == 0) return server;
  }
  log_printf(options->log, LOG_ERROR, "--metrics %s: its service could not be loaded", address);
  metrics_server_free(server);
  return NULL;
}

static void tell_place(void *context, const char *name) {
  log_printf(context, LOG_INFO, "metrics: GET /metrics at %s", name);
}

void metrics_server_serve(struct metrics_server *server) {
  listen_set_tell(&server->script->listeners);
  listen_set_each(&server->script->listeners, tell_place, server->options.log);
}

/* With what its handlers wait for. */
static void drop_all(const struct metrics_server *server) {
  script_close_conns(server->script, true);
  (void)script_drop_sequential(server->script);
}

static void metrics_on_silence(void *owner) {
  drop_all(owner);
}

size_t metrics_server_end(struct metrics_server *server, bool at_once) {
  struct runtime *runtime = &server->script->runtime;
  if (!runtime->draining) {
    script_set_draining(server->script); /* first: who has connected by then may ask */
    script_stop_listening(server->script);
  }
  const size_t open = runtime_conn_burden(runtime);
  if (open > 0 && !at_once && !server->patience) {
    server->patience = net_timer_open(runtime->loop, PATIENCE_MS, 0, metrics_on_silence, server);
    at_once = !server->patience;
  }
  if (at_once) drop_all(server);
  return open > 0 ? open : script_drop_sequential(server->script);
}

void metrics_server_free(struct metrics_server *server) {
  if (!server) return;
  if (server->patience) net_timer_close(server->patience);
  if (server->script) script_free(server->script);
  free(server);
}
