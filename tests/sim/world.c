/* world.c — one world: scripts on a loop whose time is moved by hand, and what a step does to them.
 *
 * After each step it is checked what must always hold; what the peers get is checked in peers.c, and
 * what handlers see in services/sim.lua, which says "SIMFAULT" in the log. */
#include "sim.h"

#include "api/runtime.h"
#include "base/bus.h"
#include "base/log.h"
#include "base/tap.h"
#include "net/conn_fault.h"
#include "net/conn_state.h"
#include "net/loop.h"
#include "net/network.h"
#include "server/control/event_json.h"
#include "server/names.h"
#include "server/script.h"
#include "vm/vm_state.h"

#include <errno.h>
#include <fcntl.h>
#include <lua.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
  SCRIPTS_MAX = 3,
  STEPS_MAX = 500000,        /* of the loop at one time: more has no end */
  MESSAGE_BYTES_MAX = 80000, /* the longest that a service sends */
  LONG_MS = 1000000,         /* longer than anything here waits */
};

/* The first one always runs: others connect to it. */
static const struct service_kind service_kinds[] = {
    {.file = "echo.lua", .port = 7001},
    {.file = "sleepy.lua", .port = 7002},
    {.file = "lines.lua", .port = 7003, .expects = EXPECTS_LINES},
    {.file = "main.lua", .port = 7004},
    {.file = "forward.lua", .port = 7005},
    {.file = "proxy.lua", .port = 7006},
    {.file = "inner.lua", .port = 7007},
    {.file = "chat.lua", .port = 7008, .expects = EXPECTS_CHAT},
    {.file = "rude.lua", .port = 7009, .is_rude = true},
    {.file = "flood.lua", .port = 7010, .expects = EXPECTS_COUNTED, .is_rude = true},
    {.file = "crossed.lua", .port = 7011, .expects = EXPECTS_ANYTHING, .is_rude = true},
    {.file = "datagrams.lua", .port = 7012, .has_datagrams = true},
    {.file = "late.lua", .port = 7013},
    {.file = "blocks.lua", .port = 7014, .expects = EXPECTS_BLOCKS},
    {.file = "names.lua", .port = 7015},
    {.file = "stern.lua", .port = 7016, .expects = EXPECTS_ANYTHING, .is_rude = true},
    {.file = "listens.lua", .port = 7017},
    {.file = "greedy.lua", .port = 7019, .expects = EXPECTS_ANYTHING, .is_rude = true},
    {.file = "crowd.lua", .port = 7018, .expects = EXPECTS_COUNTED, .is_rude = true},
};
enum { SERVICES = sizeof service_kinds / sizeof *service_kinds };

struct served {
  const struct service_kind *kind;
  struct script *script;
  size_t references; /* in its registry, when it had just begun */
};

struct world {
  uint64_t seed;
  struct random random;
  bool is_calm;
  bool is_told; /* to who looks for what went wrong */
  struct log *log;
  struct net_loop *loop;
  struct bus *bus;
  struct names *names;
  struct peers *peers;
  struct script_options options;
  struct served served[SCRIPTS_MAX];
  size_t count;
  struct tap_watcher watcher;
};

/* --- What is told ------------------------------------------------------------------------------ */

static void print_event(const struct world *world, const struct event *event) {
  char line[EVENT_JSON_BYTES_MAX];
  size_t size = event_json_render(event, &(struct event_json){.exact = false}, line);
  fprintf(stderr, "%llu ms %.*s", (unsigned long long)net_loop_now_ms(world->loop), (int)size,
          line);
}

static void on_event(struct tap_watcher *watcher, const struct event *event) {
  static const char fault[] = "SIMFAULT";
  const struct world *world = LIST_ELEMENT(watcher, struct world, watcher);
  if (world->is_told) print_event(world, event);
  if (event->kind != EVENT_LOG || event->size < sizeof fault - 1) return;
  if (memcmp(event->bytes, fault, sizeof fault - 1) == 0) {
    sim_fail("%s: %.*s", event->script, (int)event->kept, event->bytes);
  }
}

static void on_conn_closed(void *context) {
  (void)context;
}

static const char *who_listens(void *context, const struct runtime *asks, const char *name,
                               const char **its) {
  (void)context, (void)asks, (void)name, (void)its;
  return NULL;
}

/* --- Between the steps ------------------------------------------------------------------------- */

/* How many there are, but for coroutines; at the end these must all be at rest. */
static size_t registry_references(struct script *script, bool is_at_end) {
  const struct vm *vm = script->runtime.vm;
  lua_State *L = vm->shared->L;
  size_t count = 0;
  size_t threads = 0;
  lua_gc(L, LUA_GCCOLLECT);
  lua_pushnil(L);
  while (lua_next(L, LUA_REGISTRYINDEX)) {
    bool is_reference = lua_isinteger(L, -2) && !lua_isnumber(L, -1); /* a number: of a free one */
    if (is_reference && lua_isthread(L, -1)) threads++;
    if (is_reference && !lua_isthread(L, -1)) count++;
    lua_pop(L, 1);
  }
  if (is_at_end && threads != vm->shared->idle_count + 1) { /* and the main one */
    sim_fail("%s: %zu coroutines, and %zu are at rest", vm->script, threads - 1,
             vm->shared->idle_count);
  }
  return count;
}

static void each_conn(struct world *world, void (*visit)(struct conn *conn, void *context),
                      void *context) {
  for (size_t i = 0; i < world->count; i++) {
    struct conn_group *group;
    for (size_t k = 0; (group = script_conn_group(world->served[i].script, k)); k++) {
      conn_group_each(group, visit, context);
    }
  }
}

static void check_conn(struct conn *conn, void *context) {
  (void)context;
  conn_check(conn);
  size_t bytes = conn_queue_bytes(conn);
  size_t bytes_max = conn_group_of(conn)->queue_bytes_max;
  if (bytes > bytes_max + MESSAGE_BYTES_MAX) {
    sim_fail("connection %llu has %zu bytes queued, and its limit is %zu",
             (unsigned long long)conn_id(conn), bytes, bytes_max);
  }
}

/* The peers that listen answer at once, so that nothing is left to be done. */
static void settle(struct world *world) {
  failing_enter();
  net_loop_flush(world->loop);
  bool rests = true;
  do {
    rests = rests && net_loop_settle(world->loop, STEPS_MAX);
  } while (peers_answer(world->peers) && rests);
  failing_leave();
  if (!rests) sim_fail("the loop does not come to rest");
}

static void pass(struct world *world, uint64_t ms) {
  settle(world);
  uint64_t end_ms = net_loop_now_ms(world->loop) + ms;
  while (net_loop_now_ms(world->loop) < end_ms) {
    uint64_t next_ms = net_loop_next_ms(world->loop);
    if (next_ms > end_ms) next_ms = end_ms;
    failing_enter();
    bool rests = net_loop_advance(world->loop, next_ms - net_loop_now_ms(world->loop), STEPS_MAX);
    failing_leave();
    if (!rests) sim_fail("the loop does not come to rest");
    settle(world);
  }
}

/* --- Steps ------------------------------------------------------------------------------------- */

struct search {
  uint32_t left;
  struct conn *found;
};

static void find_conn(struct conn *conn, void *context) {
  struct search *search = context;
  if (!search->found && search->left-- == 0) search->found = conn;
}

static void count_conn(struct conn *conn, void *context) {
  (void)conn;
  ++*(uint32_t *)context;
}

static struct conn *choose_conn(struct world *world, uint32_t which) {
  uint32_t count = 0;
  each_conn(world, count_conn, &count);
  if (count == 0) return NULL;
  struct search search = {.left = which % count};
  each_conn(world, find_conn, &search);
  return search.found;
}

static void do_to_conn(struct world *world, const struct step *step) {
  struct conn *conn = choose_conn(world, step->which);
  if (!conn) return;
  struct conn_fault fault = {.split_bytes = step->value / 2, .delay_ms = step->value % 7};
  switch (step->kind) {
    case STEP_PAUSE: conn_hold(conn, CONN_HOLD_CONSOLE, !conn_is_paused(conn)); break;
    case STEP_CHUNK:
      if (conn_is_paused(conn)) conn_step(conn);
      break;
    case STEP_FAULT: (void)conn_set_fault(conn, &fault); break;
    case STEP_KICK:
      if (step->value % 2) conn_reset(conn, REASON_KICKED);
      if (!(step->value % 2)) conn_close(conn, REASON_KICKED);
      break;
    default: break;
  }
}

/* What services/sim.lua asks for. */
static void set_mode(const struct world *world, uint32_t value) {
  static const char *const modes[] = {"adopt", "pin", "drain", "close"};
  static const char *const beside[] = {"", "", " more", " broken", " taken"};
  char text[32];
  const char *mode = modes[value % (world->is_calm ? 2 : 4)];
  snprintf(text, sizeof text, "%s%s", mode, beside[value / 4 % 5]);
  setenv("MOONPORT_SIM", text, 1);
}

static void reload(struct world *world, const struct step *step) {
  struct script *script = world->served[step->which % world->count].script;
  if (script->is_leaving) return;
  set_mode(world, step->value);
  failing_enter();
  (void)script_reload(script);
  failing_leave();
}

/* As at the end of the server, or once its file was removed. */
static void drain(struct script *script, uint32_t value) {
  if (value % 3 < 2) script_close_conns(script, value % 3);
  if (value % 3 == 2 && !script->is_leaving) script_leave(script, "its file was removed");
}

/* Of connections that begin from now on, also of those between scripts. */
static void set_network(struct world *world, const struct step *step) {
  struct memory_settings *settings = network_settings(net_loop_network(world->loop));
  bool opens = world->is_calm || step->which % 5 > 0;
  settings->window_bytes = step->value % 2 ? 65536 : 1 + step->value * 4;
  settings->cut_bytes = step->which % 3 ? 0 : step->value;
  settings->delay_ms = step->which % 4 ? 0 : step->value % 50;
  settings->open_error = opens ? 0 : UV_ECONNRESET;
}

static void fail_accept(struct world *world, uint32_t value) {
  static const int errors[] = {0, EMFILE, 0, ENFILE, ECONNABORTED, ENOMEM};
  size_t count = sizeof errors / sizeof *errors;
  network_fail_accept(net_loop_network(world->loop), errors[value % count]);
}

static void act(struct world *world, const struct step *step) {
  struct served *served = &world->served[step->which % world->count];
  switch (step->kind) {
    case STEP_CONNECT: peers_connect(world->peers, served->kind, step->value); break;
    case STEP_TIME: pass(world, step->value); break;
    case STEP_RELOAD: reload(world, step); break;
    case STEP_PAUSE:
    case STEP_CHUNK:
    case STEP_FAULT:
    case STEP_KICK: do_to_conn(world, step); break;
    case STEP_DATAGRAM:
      if (served->kind->has_datagrams) peers_post(world->peers, served->kind->port, step->value);
      break;
    case STEP_NETWORK: set_network(world, step); break;
    case STEP_ACCEPT: fail_accept(world, step->value); break;
    case STEP_ALLOCATE: failing_start(step->value, 1 + (step->which % 3) * step->which / 4); break;
    case STEP_DRAIN: drain(served->script, step->value); break;
    default: peers_do(world->peers, step); break;
  }
}

void world_step(struct world *world, const struct step *step) {
  act(world, step);
  if (step->turns == 0) {
    settle(world);
  } else {
    failing_enter();
    net_loop_flush(world->loop);
    (void)net_loop_settle(world->loop, step->turns);
    failing_leave();
  }
  if (failing_began()) failing_stop();
  each_conn(world, check_conn, NULL);
}

/* --- Its beginning, and its end ---------------------------------------------------------------- */

static void serve(struct world *world, const struct service_kind *kind) {
  char path[512];
  struct served *served = &world->served[world->count++];
  snprintf(path, sizeof path, "%s/tests/sim/services/%s", SIM_SOURCE_DIR, kind->file);
  served->kind = kind;
  served->script = script_load(path, &world->options);
  if (!served->script) sim_fail("%s cannot be loaded", path);
  if (script_awaits_names(served->script) || script_start(served->script) < 0) {
    sim_fail("%s cannot be started", path);
  }
}

static void choose_services(struct world *world) {
  serve(world, &service_kinds[0]);
  while (world->count < SCRIPTS_MAX) {
    const struct service_kind *kind = &service_kinds[random_below(&world->random, SERVICES)];
    bool is_there = world->is_calm && kind->is_rude;
    for (size_t i = 0; i < world->count; i++) is_there |= world->served[i].kind == kind;
    if (!is_there) serve(world, kind);
  }
}

struct world *world_new(uint64_t seed) {
  struct world *world = calloc(1, sizeof *world);
  static int nowhere = -1;
  if (nowhere < 0) nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (!world) sim_fail("not enough memory");
  world->seed = seed;
  world->random.state = ~seed;
  world->is_calm = seed_is_calm(seed);
  world->is_told = getenv("MOONPORT_SIM_LOG") != NULL;
  bool is_watched = random_below(&world->random, 8) == 0 || world->is_told;
  world->log = log_new(nowhere, LOG_ERROR, LOG_TEXT);
  /* Sometimes just before 32 bits of milliseconds are full. */
  uint64_t start_ms = random_below(&world->random, 4) ? 1000 : UINT32_MAX - 3000u;
  world->loop = net_loop_new_simulated(start_ms);
  world->bus = bus_new();
  world->names = names_new(world->loop, NULL, NULL);
  world->peers = peers_new(net_loop_network(world->loop), seed);
  world->watcher = (struct tap_watcher){.bytes_max = 300, .on_event = on_event};
  world->watcher.kinds = is_watched ? ~0ull : 1ull << EVENT_LOG;
  list_init(&world->watcher.link);
  tap_add(net_loop_tap(world->loop), &world->watcher);
  world->options = (struct script_options){
      .log = world->log,
      .loop = world->loop,
      .bus = world->bus,
      .host = "127.0.0.1",
      .backlog = 16,
      .drain_ms = 500,
      .unsafe = true,
      .names = world->names,
      .on_conn_closed = on_conn_closed,
      .who_listens = who_listens,
  };
  if (!world->is_calm)
    net_loop_bound_output(world->loop, random_below(&world->random, 3) ? 0 : 150000);
  set_mode(world, 0);
  choose_services(world);
  settle(world);
  for (size_t i = 0; i < world->count; i++) {
    world->served[i].references = registry_references(world->served[i].script, false);
  }
  return world;
}

static void release_conn(struct conn *conn, void *context) {
  const struct conn_fault none = {0};
  (void)context;
  conn_hold(conn, CONN_HOLD_CONSOLE, false);
  (void)conn_set_fault(conn, &none);
}

/* All that waits comes to its end, without anybody who hinders it. */
static void calm_down(struct world *world) {
  network_fail_accept(net_loop_network(world->loop), 0);
  do {
    each_conn(world, release_conn, NULL);
    pass(world, 1000);
  } while (peers_calm(world->peers));
  pass(world, 60000);
  (void)peers_calm(world->peers);
  settle(world);
  peers_check_all(world->peers);
}

static void end_script(struct world *world, struct served *served) {
  script_stop_listening(served->script);
  script_close_conns(served->script, !world->is_calm);
  pass(world, LONG_MS);
  script_close_sequential(served->script);
  pass(world, LONG_MS);
  script_close_conns(served->script, true);
  (void)script_drop_sequential(served->script);
  pass(world, LONG_MS);
  if (runtime_conn_burden(&served->script->runtime) > 0) {
    sim_fail("%s: %zu handlers never come to their end", served->kind->file,
             runtime_conn_burden(&served->script->runtime));
  }
  (void)registry_references(served->script, false); /* what is collected may defer the rest */
  settle(world);
  size_t references = registry_references(served->script, true);
  if (references > served->references) {
    sim_fail("%s: the registry has %zu references, and had %zu", served->kind->file, references,
             served->references);
  }
}

uint64_t world_end(struct world *world) {
  failing_stop();
  if (world->is_calm) calm_down(world);
  peers_reset(world->peers);
  for (size_t i = 0; i < world->count; i++) end_script(world, &world->served[i]);
  for (size_t i = 0; i < world->count; i++) script_free(world->served[i].script);
  world->count = 0;
  pass(world, LONG_MS);
  if (net_loop_next_ms(world->loop) != NET_NEVER) sim_fail("a timer is left");
  uint64_t digest = random_mix(peers_digest(world->peers) ^ net_loop_now_ms(world->loop));
  peers_free(world->peers);
  names_free(world->names);
  tap_remove(net_loop_tap(world->loop), &world->watcher);
  net_loop_free(world->loop);
  bus_free(world->bus);
  log_free(world->log);
  free(world);
  return digest;
}
