/* server/bus.c — the program in Lua that takes the bus to a broker, from start to end. Does not know how
 * one talks to brokers: moonport/bus/ does. */
#include "server/bus.h"

#include "api/bus_broker.h"
#include "api/runtime.h"
#include "base/bus.h"
#include "base/bus_address.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/script.h"
#include "server/server.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { LEAVING_MS = 1000 };

struct bus_host {
  struct script_options options;
  struct script *script;
  struct runtime *runtime;
  struct bus_broker broker;
  bool is_late; /* the time for leaving is over */
};

static void host_on_conn_closed(void *context) {
  (void)context;
}

static void host_on_fail(void *self, const struct vm_failure *failure) {
  struct bus_host *host = self;
  runtime_log_failure(host->runtime, 0, failure);
}

static void host_on_end(void *self, bool failed) {
  (void)self, (void)failed;
}

/* Runs in the program's coroutine. */
static int run(lua_State *L) {
  struct bus_host *host = lua_touserdata(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "moonport.bus.broker");
  lua_call(L, 1, 1);
  bus_broker_push(L, &host->broker);
  lua_callk(L, 2, 0, 0, vm_nothing_follows);
  return 0;
}

struct bus_host *bus_host_open(struct bus *bus, struct net_loop *loop,
                               const struct server_options *options) {
  struct bus_host *host = calloc(1, sizeof *host);
  if (!host) return NULL;
  host->broker = (struct bus_broker){.bus = bus, .address = options->bus};
  host->options = (struct script_options){
      .log = options->log,
      .loop = loop,
      .bus = bus,
      .unsafe = true,
      .is_silent = true,
      .lua_dir = options->lua_dir,
      .on_conn_closed = host_on_conn_closed,
      .context = host,
  };
  host->script = script_new_program("bus", &host->options);
  if (!host->script ||
      bus_begin_broker(bus, options->bus->name, bus_broker_wake, &host->broker) < 0) {
    bus_host_close(host);
    return NULL;
  }
  host->runtime = &host->script->runtime;
  const struct vm_owner owner = {.self = host,
                                 .name = "bus",
                                 .world = host->runtime->current->world,
                                 .on_fail = host_on_fail,
                                 .on_end = host_on_end};
  (void)runtime_enter(host->runtime, run, host, &owner, NULL);
  return host;
}

static void host_on_late(void *owner) {
  struct bus_host *host = owner;
  host->is_late = true;
}

static bool is_flushed(const struct bus_host *host) {
  struct bus_status status;
  bus_status(host->broker.bus, &status);
  return !status.is_connected || (status.queued == 0 && host->runtime->output.account.bytes == 0);
}

/* What was published last, when the server ended, is to reach a broker that is there. */
static void leave(struct bus_host *host) {
  struct runtime *runtime = host->runtime;
  struct net_loop *loop = runtime->loop;
  struct net_timer *timer = net_timer_open(loop, LEAVING_MS, 0, host_on_late, host);
  host->is_late = !timer;
  while (!host->is_late && !is_flushed(host)) net_loop_turn(loop, true);
  vm_cancel_all(runtime->vm, "the server is ending");
  bus_end_broker(host->broker.bus);
  script_close_sequential(host->script);
  while (!host->is_late && runtime->sequential.count > 0) net_loop_turn(loop, true);
  if (timer) net_timer_close(timer);
  (void)script_drop_sequential(host->script);
  while (runtime->sequential.count > 0) net_loop_turn(loop, true);
}

void bus_host_close(struct bus_host *host) {
  if (!host) return;
  if (host->runtime) leave(host);
  if (host->script) script_free(host->script);
  free(host);
}
