/* lua_fuzz.h — a target whose work is done in Lua, in a program with moonport's library: a file that
 * returns a function of the input — opens no file and no socket.
 *
 * To be included once, with FUZZ_LUA, the name of that file. libFuzzer sees C alone, so a hook counts
 * the lines of Lua that run, and what leads to another one is kept. */
#include "fuzz.h"

#include "api/runtime.h"
#include "base/bus.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/program.h"
#include "server/script.h"
#include "server/testing/testing.h"

#include <lauxlib.h>
#include <unistd.h>
#include <uv.h>

enum { INPUT_BYTES_MAX = 8192, COUNTERS = 4096 };

/* Where libFuzzer looks for what else is to be counted. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

/* The program. */
static struct {
  struct script_options options;
  struct runtime *runtime; /* NULL until it is made */
  int function;            /* registry: takes one input */
  bool is_reading;
} program;

struct input {
  const uint8_t *data;
  size_t size;
};

static void on_line(lua_State *L, lua_Debug *debug) {
  lua_getinfo(L, "S", debug);
  uint32_t place = (uint32_t)debug->currentline * 2654435761u;
  for (const char *c = debug->short_src; *c; c++) place = place * 31 + (uint8_t)*c;
  uint8_t *counter = &counters[(place >> 7) % COUNTERS];
  if (*counter < UINT8_MAX) (*counter)++;
}

static void on_conn_closed(void *context) {
  (void)context;
}

static int load(lua_State *L) {
  if (luaL_loadfilex(L, FUZZ_SOURCE_DIR "/" FUZZ_LUA, "t") != LUA_OK) lua_error(L);
  lua_call(L, 0, 1);
  program.function = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static void open_program(void) {
  char error[500] = "";
  const struct program_options none = {0};
  program.options = (struct script_options){.log = log_new(STDERR_FILENO, LOG_INFO, LOG_TEXT),
                                            .loop = net_loop_new(),
                                            .bus = bus_new(),
                                            .unsafe = true,
                                            .on_conn_closed = on_conn_closed};
  MUST(program.options.log != NULL && program.options.loop != NULL);
  struct script *script = script_new_program("fuzz", &program.options);
  MUST(script != NULL);
  program.runtime = &script->runtime;
  MUST(testing_new(program.runtime, &none) != NULL);
  if (vm_protect(program.runtime->vm, load, NULL, error, sizeof error)) return;
  (void)fprintf(stderr, "%s\n", error);
  abort();
}

/* Runs in a coroutine of its own, for what it calls may wait. */
static int read_one(lua_State *L) {
  const struct input *input = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, program.function);
  lua_pushlstring(L, (const char *)input->data, input->size);
  lua_pushliteral(L, FUZZ_SOURCE_DIR "/echo.lua");
  lua_callk(L, 2, 0, 0, vm_nothing_follows);
  return 0;
}

static void on_fail(void *self, const struct vm_failure *failure) {
  (void)self;
  (void)fprintf(stderr, "%s\n", failure->message);
  abort();
}

static void on_end(void *self, bool failed) {
  (void)self;
  (void)failed;
  program.is_reading = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  if (size > INPUT_BYTES_MAX) return -1;
  if (!program.runtime) open_program();
  const struct vm_owner owner = {
      .world = program.runtime->current->world, .on_fail = on_fail, .on_end = on_end};
  program.is_reading = runtime_enter(program.runtime, read_one, &input, &owner, NULL) == VM_WAITING;
  while (program.is_reading) net_loop_turn(program.runtime->loop, true);
  return 0;
}
