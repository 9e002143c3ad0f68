/* server/program.c — a plain Lua program with moonport's modules, from its first line to its end.
 *
 * The program is a task. The loop runs until it and the tasks it spawned have ended; timers and
 * connections that are left then end with it, as in any program. */
#include "server/program.h"

#include "api/runtime.h"
#include "api/service.h"
#include "api/stores.h"
#include "api/tell.h"
#include "base/bus.h"
#include "base/signals.h"
#include "net/loop.h"
#include "server/script.h"
#include "server/testing/testing.h"
#include "vm/fork.h"
#include "vm/loader.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* Time for FIN and the last bytes of connections that the program left open. */
enum { CLOSING_MS = 5000 };

struct program {
  const struct program_options *options;
  struct net_loop *loop;
  struct script *script;
  struct runtime *runtime;
  struct testing *testing;
  struct bus *bus;
  bool running; /* the program itself; its tasks are counted in the runtime */
  bool failed;
  bool ending;
  uv_timer_t deadline; /* while ending */
};

static bool has_ended(const struct program *program) {
  return !program->running && program->runtime->task_count == 0;
}

static void stop_if_ended(struct program *program) {
  if (!has_ended(program)) return;
  if (!program->ending || program->runtime->sequential.count == 0) {
    net_loop_stop(program->loop);
  }
}

static void program_on_change(void *context) {
  stop_if_ended(context);
}

static void program_on_fail(void *self, const struct vm_failure *failure) {
  struct program *program = self;
  program->failed = true;
  runtime_log_failure(program->runtime, 0, failure);
}

static void program_on_end(void *self, bool failed) {
  (void)failed;
  struct program *program = self;
  program->running = false;
  stop_if_ended(program);
}

/* `arg` as in lua(1): the file at 0, its arguments from 1 on. */
static void set_arguments(lua_State *L, const struct program_options *options) {
  size_t first = options->code ? 0 : 1;
  lua_newtable(L);
  lua_pushstring(L, options->code ? "-e" : options->words[0]);
  lua_rawseti(L, -2, 0);
  for (size_t i = first; i < options->word_count; i++) {
    lua_pushstring(L, options->words[i]);
    lua_rawseti(L, -2, (lua_Integer)(i - first) + 1);
  }
  lua_setglobal(L, "arg");
}

static int load_chunk(lua_State *L, const struct program_options *options) {
  if (options->code) {
    return luaL_loadbufferx(L, options->code, strlen(options->code), "=(command line)", "t");
  }
  if (strcmp(options->words[0], "-") == 0) return luaL_loadfilex(L, NULL, "t");
  return loader_load(L, options->words[0]);
}

/* Runs in the program's coroutine. */
static int run(lua_State *L) {
  const struct program *program = lua_touserdata(L, 1);
  const struct program_options *options = program->options;
  set_arguments(L, options);
  if (load_chunk(L, options) != LUA_OK) return lua_error(L);
  int count = 0;
  for (size_t i = options->code ? 0 : 1; i < options->word_count; i++) {
    luaL_checkstack(L, 1, "too many arguments");
    lua_pushstring(L, options->words[i]);
    count++;
  }
  if (options->push) count += options->push(L, options->context);
  if (api_tells_handlers(program->runtime)) api_tell_handler(L, "program", -count - 1);
  lua_callk(L, count, 0, 0, vm_nothing_follows);
  return 0;
}

/* os.exit(): what is queued goes to the kernel, and the kernel closes the rest. */
static void program_on_exit_called(void *context, int code) {
  struct program *program = context;
  net_loop_flush(program->loop);
  fflush(stdout);
  log_free(program->options->log);
  exit(code);
}

static void program_on_deadline(uv_timer_t *timer) {
  struct program *program = timer->data;
  script_drop_sequential(program->script);
}

/* Lets what was sent arrive: an open connection is closed in peace, as the kernel would. */
static void close_connections(struct program *program) {
  uv_loop_t *uv = net_loop_uv(program->loop);
  program->ending = true;
  script_close_sequential(program->script);
  uv_timer_init(uv, &program->deadline);
  program->deadline.data = program;
  uv_timer_start(&program->deadline, program_on_deadline, CLOSING_MS, 0);
  while (program->runtime->sequential.count > 0) net_loop_run(program->loop);
  uv_close((uv_handle_t *)&program->deadline, NULL);
}

static void run_to_end(struct program *program) {
  const struct vm_owner owner = {.self = program,
                                 .world = program->runtime->current->world,
                                 .on_fail = program_on_fail,
                                 .on_end = program_on_end};
  program->running = true;
  if (runtime_enter(program->runtime, run, program, &owner, NULL) != VM_WAITING) {
    program->running = false;
  }
  if (!has_ended(program)) net_loop_run(program->loop);
  if (has_ended(program)) return;
  /* The loop has nothing left that could wake it: two tasks that join each other, say. */
  log_about(program->options->log, LOG_ERROR, program->runtime->script, 0,
            "%s: the program waits, and nothing is left that could end the wait",
            program->runtime->script);
  program->failed = true;
  /* Connections that close now may end a wait after all, for want of descriptors, say. */
  vm_cancel_all(program->runtime->vm, "the program is ending");
}

int program_run(const struct program_options *options) {
  struct program program = {.options = options};
  signals_run();
  setvbuf(stdout, NULL, _IOLBF, 0); /* what a program prints shows when it happens */
  program.loop = net_loop_new();
  program.bus = bus_new();
  struct stores *stores = stores_new(&(struct stores_place){0});
  const struct script_options script_options = {
      .log = options->log,
      .loop = program.loop,
      .bus = program.bus,
      .unsafe = !options->grants, /* as in lua(1): it is the user's own program */
      .grants = options->grants,
      .lua_dir = options->lua_dir,
      .stores = stores,
      .on_conn_closed = program_on_change,
      .exit = program_on_exit_called,
      .context = &program,
  };
  const char *name = options->code ? "-e" : options->words[0];
  if (program.loop && program.bus) program.script = script_new_program(name, &script_options);
  if (!program.script) {
    log_printf(options->log, LOG_ERROR, "not enough memory or descriptors to start");
    stores_free(stores);
    return 1;
  }
  program.runtime = &program.script->runtime;
  program.testing = testing_new(program.runtime, options);
  vm_fork_watch_program(program.runtime->vm);
  if (program.testing) {
    run_to_end(&program);
    close_connections(&program);
  }
  vm_fork_watch_program(NULL);
  testing_free(program.testing);
  script_free(program.script);
  bus_free(program.bus);
  stores_free(stores);
  net_loop_free(program.loop);
  return program.failed || !program.testing ? 1 : 0;
}
