/* server/testing/testing.c — scripts under test: they share the Lua state of the program that tests them, and
 * nothing else. Each has a runtime, and a loop of its own with a clock and a network in memory.
 *
 * Entries into Lua do not nest. A test that lets a script go on waits, as for a socket; the script's
 * loop runs in the next turn of the program's, until nothing is left to do; then the test is woken.
 * What a script calls of the test's meanwhile, a fake of a module say, adds to what is done. */
#include "server/testing/state.h"

#include "api/stores.h"
#include "base/log.h"
#include "net/defer.h"
#include "net/loop.h"
#include "server/names.h"
#include "server/program.h"
#include "vm/watchdog.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BACKLOG = 1024,
  DRAIN_MS = 10000, /* as a server's --drain */
};

/* --- What holds a script up ------------------------------------------------------------------ */

static void testing_on_holding(void *context, const struct vm_hold *hold) {
  (void)context;
  (void)hold; /* a test may take its time */
}

static void testing_on_stuck(void *context, const struct vm_hold *hold, enum vm_stuck why) {
  static const char text[] = "moonport: a script under test is in a C function that cannot be "
                             "interrupted: ending the process\n";
  (void)context;
  (void)hold;
  (void)why;
  ssize_t put = write(STDERR_FILENO, text, sizeof text - 1);
  (void)put; /* there is nobody else to tell */
  _exit(EXIT_FAILURE);
}

static const struct vm_watchdog_events watchdog_events = {
    .on_holding = testing_on_holding, .on_held = testing_on_holding, .on_stuck = testing_on_stuck};

/* --- One script ------------------------------------------------------------------------------ */

static const char *nobody_listens(void *context, const struct runtime *asks, const char *name,
                                  const char **its) {
  (void)context, (void)asks, (void)name, (void)its;
  return NULL;
}

/* Completes the globals of a world of the script's, by the test's function. */
static int testing_furnish(lua_State *L) {
  const struct hosted *hosted = script_options_of(runtime_of(L))->context;
  lua_rawgeti(L, LUA_REGISTRYINDEX, hosted->prepare);
  lua_pushglobaltable(L);
  lua_call(L, 1, 0);
  return 0;
}

static void set_options(struct hosted *hosted) {
  const struct testing *testing = hosted->testing;
  hosted->options = (struct script_options){
      .log = hosted->log,
      .loop = hosted->loop,
      .bus = testing->runtime->bus,
      .watchdog = testing->watchdog,
      .host = "127.0.0.1",
      .backlog = BACKLOG,
      .drain_ms = DRAIN_MS,
      .grants = testing->grants,
      .lua_dir = testing->lua_dir,
      .stores = hosted->stores,
      .who_listens = nobody_listens,
      .names = hosted->names,
      .guest_of = testing->runtime,
      .is_tested = true,
      .furnish = testing_furnish,
      .on_failure = testing_on_failure,
      .context = hosted,
  };
}

void testing_unhost(struct hosted *hosted) {
  api_wait_forget(&hosted->wait);
  testing_handle_close(&hosted->handle);
  list_remove(&hosted->link);
  list_remove(&hosted->due_link);
  while (!list_empty(&hosted->peers)) {
    testing_peer_free(LIST_ELEMENT(hosted->peers.next, struct peer, link));
  }
  while (!list_empty(&hosted->ended)) {
    testing_peer_free(LIST_ELEMENT(hosted->ended.next, struct peer, link));
  }
  testing_close_network(hosted);
  if (hosted->names) names_free(hosted->names);
  if (hosted->loop) net_loop_free(hosted->loop);
  testing_log_free(hosted);
  stores_free(hosted->stores);
  luaL_unref(vm_state(hosted->testing->runtime->vm), LUA_REGISTRYINDEX, hosted->prepare);
  for (size_t i = 0; i < hosted->listen_count; i++) free(hosted->listen[i]);
  free(hosted->listen);
  free(hosted->path);
  free(hosted->text);
  free(hosted);
}

struct hosted *testing_host(struct testing *testing, const char *path) {
  if (!testing->watchdog) testing->watchdog = vm_watchdog_new(&watchdog_events, testing);
  struct hosted *hosted = calloc(1, sizeof *hosted);
  if (!hosted) return NULL;
  hosted->testing = testing;
  hosted->prepare = LUA_NOREF;
  list_init(&hosted->records);
  list_init(&hosted->peers);
  list_init(&hosted->places);
  list_init(&hosted->senders);
  list_init(&hosted->ended);
  list_init(&hosted->due_link);
  list_append(&testing->scripts, &hosted->link);
  hosted->path = strdup(path);
  hosted->log = testing_log_new(hosted);
  hosted->loop = net_loop_new_simulated(TESTING_START_MS);
  if (hosted->loop) hosted->names = names_new(hosted->loop, NULL, NULL);
  const struct stores_place place = {.files = testing->runtime->stores};
  hosted->stores = stores_new(&place);
  set_options(hosted);
  bool has_network = hosted->names && testing_begin_network(hosted) == 0;
  if (testing->watchdog && hosted->path && hosted->log && has_network) {
    testing_watch(hosted);
    hosted->script = script_new_later(path, &hosted->options);
  }
  if (hosted->script) return hosted;
  testing_unhost(hosted);
  return NULL;
}

/* --- All of them ----------------------------------------------------------------------------- */

static void testing_on_turn(void *owner) {
  struct testing *testing = owner;
  struct list due;
  list_take(&due, &testing->due);
  for (struct list *link; (link = list_shift(&due));) {
    struct hosted *hosted = LIST_ELEMENT(link, struct hosted, due_link);
    enum deed deed = hosted->deed;
    testing_do(hosted, deed);
    if (deed != DEED_END) api_wait_wake(&hosted->wait);
  }
}

void testing_ask(struct hosted *hosted, enum deed deed) {
  hosted->deed = deed;
  list_remove(&hosted->due_link);
  list_append(&hosted->testing->due, &hosted->due_link);
  net_defer_ask(hosted->testing->defer);
}

struct testing *testing_new(struct runtime *runtime, const struct program_options *options) {
  struct testing *testing = calloc(1, sizeof *testing);
  if (!testing) return NULL;
  char error[1];
  testing->runtime = runtime;
  testing->grants = options->grants;
  testing->lua_dir = options->lua_dir;
  list_init(&testing->scripts);
  list_init(&testing->due);
  testing->defer = net_defer_new(runtime->loop, testing_on_turn, testing);
  if (testing->defer && vm_protect(runtime->vm, testing_open, testing, error, sizeof error)) {
    return testing;
  }
  testing_free(testing);
  return NULL;
}

void testing_free(struct testing *testing) {
  if (!testing) return;
  while (!list_empty(&testing->scripts)) {
    testing_do(LIST_ELEMENT(testing->scripts.next, struct hosted, link), DEED_END);
  }
  if (testing->watchdog) vm_watchdog_free(testing->watchdog);
  if (testing->defer) net_defer_close(testing->defer);
  free(testing);
}
