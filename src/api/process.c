/* api/process.c — moonport.process.core: programs with a connection to each of their streams;
 * moonport/process.lua stands on it.
 *
 * A stream is one end of a pair of Unix sockets, so that all that a connection can do can be done with it.
 * A program belongs to the version that began it, whether or not its object is still referred to. */
#include "net/process.h"
#include "api/arguments.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/wait.h"
#include "base/platform.h"
#include "net/connect.h"
#include "net/loop.h"

#include <lauxlib.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static const char type_name[] = "moonport.process";

enum { STREAMS = 3, PROGRAMS_MAX = 256, SIGNAL_EXIT = 128 };
/* What a stream of it is. STREAM_OUTPUT: of 2, the same as 1. */
enum stream { STREAM_PIPE, STREAM_NULL, STREAM_INHERIT, STREAM_OUTPUT };

/* A program that runs. Freed when it has ended, or its version has. */
struct program_run {
  struct net_process *process;
  struct belonging belonging;
  struct process_object *object; /* NULL: it is collected */
};

/* The payload of a userdata "moonport.process". */
struct process_object {
  struct program_run *run; /* NULL: it has ended */
  struct api_wait waiter;
  int pid;
  int code;
  int signal;   /* that ended it; 0: none */
  bool is_lost; /* its version has ended, and it with that */
};

static void run_free(struct program_run *run) {
  if (run->object) run->object->run = NULL;
  list_remove(&run->belonging.link);
  free(run);
}

static void run_on_exit(void *owner, int code, int signal) {
  struct program_run *run = owner;
  struct process_object *object = run->object;
  run_free(run);
  if (!object) return;
  object->code = code;
  object->signal = signal;
  api_wait_wake(&object->waiter);
}

static void run_end(struct belonging *belonging) {
  struct program_run *run = LIST_ELEMENT(belonging, struct program_run, belonging);
  struct process_object *object = run->object;
  net_process_end(run->process);
  run_free(run);
  if (!object) return;
  object->is_lost = true;
  api_wait_wake(&object->waiter);
}

static const struct belonging_kind run_kind = {"process", run_end};

static struct process_object *check_process(lua_State *L) {
  return luaL_checkudata(L, 1, type_name);
}

static int l_process_gc(lua_State *L) {
  struct process_object *object = check_process(L);
  api_wait_forget(&object->waiter);
  if (object->run) object->run->object = NULL;
  object->run = NULL;
  return 0;
}

/* --- Starting -------------------------------------------------------------------------------- */

/* The strings of the list at `index`, which keeps them, as main() gets them. Raises. */
static char **push_strings(lua_State *L, int index) {
  size_t count = lua_rawlen(L, index);
  const char **strings = lua_newuserdatauv(L, (count + 1) * sizeof *strings, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    strings[i] = luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  strings[count] = NULL;
  return (char **)strings;
}

/* Our ends and the program's. */
struct streams {
  int ours[STREAMS];
  int its[STREAMS];
};

static void streams_close(int descriptors[STREAMS]) {
  for (int i = 0; i < STREAMS; i++) {
    if (descriptors[i] > STDERR_FILENO) close(descriptors[i]);
    descriptors[i] = -1;
  }
}

static void streams_close_its(struct streams *streams) {
  if (streams->its[STDERR_FILENO] == streams->its[STDOUT_FILENO]) streams->its[STDERR_FILENO] = -1;
  streams_close(streams->its);
}

static int streams_open(const enum stream kinds[STREAMS], struct streams *streams) {
  int rc = 0;
  *streams = (struct streams){{-1, -1, -1}, {-1, -1, -1}};
  for (int i = 0; i < STREAMS && rc == 0; i++) {
    int pair[2];
    if (kinds[i] == STREAM_INHERIT) streams->its[i] = i;
    if (kinds[i] == STREAM_OUTPUT) streams->its[i] = streams->its[STDOUT_FILENO];
    if (kinds[i] != STREAM_PIPE) continue;
    rc = platform_socketpair(SOCK_STREAM, false, pair) < 0 ? uv_translate_sys_error(errno) : 0;
    if (rc < 0) continue;
    streams->ours[i] = pair[0];
    streams->its[i] = pair[1];
  }
  return rc;
}

/* Starts it; 0 or UV_E*. On failure nothing is left. */
static int run_start(struct runtime *runtime, const enum stream kinds[STREAMS],
                     struct net_process_options *options, struct streams *streams,
                     struct program_run **out) {
  struct program_run *run = calloc(1, sizeof *run);
  int rc = run ? streams_open(kinds, streams) : UV_ENOMEM;
  if (!run) return rc;
  memcpy(options->descriptors, streams->its, sizeof streams->its);
  if (rc == 0) rc = net_process_start(runtime->loop, options, run_on_exit, run, &run->process);
  streams_close_its(streams);
  list_init(&run->belonging.link);
  *out = run;
  if (rc == 0) return 0;
  streams_close(streams->ours);
  free(run);
  return rc;
}

/* Of a connection that has just begun. */
static int give_conn(lua_State *L) {
  struct conn *conn = lua_touserdata(L, 1);
  api_give_conn(L, runtime_of(L), conn);
  return 1;
}

/* Pushes the connection of a stream, or nil where there is none. Otherwise the error, and false. */
static bool push_stream(lua_State *L, struct runtime *runtime, int fd) {
  const struct sockaddr unnamed = {.sa_family = AF_UNIX};
  lua_pushcfunction(L, give_conn);
  if (fd < 0) {
    lua_pushnil(L);
    lua_replace(L, -2);
    return true;
  }
  if (net_adopt(&runtime->sequential, fd, &unnamed, CONN_NO_LISTENER) < 0) {
    lua_pushliteral(L, "not enough memory");
    return false;
  }
  struct conn *conn = conn_group_newest(&runtime->sequential);
  lua_pushlightuserdata(L, conn);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return true;
  conn_reset(conn, REASON_ERROR);
  return false;
}

/* Pushes a connection for each stream. Otherwise the error, and all is ended. */
static bool push_streams(lua_State *L, struct program_run *run, struct runtime *runtime,
                         struct streams *streams) {
  for (int i = 0; i < STREAMS; i++) {
    int fd = streams->ours[i];
    streams->ours[i] = -1;
    if (push_stream(L, runtime, fd)) continue;
    streams_close(streams->ours);
    net_process_end(run->process);
    run_free(run);
    return false;
  }
  return true;
}

static enum stream check_stream(lua_State *L, int index) {
  static const char *const names[] = {"pipe", "null", "inherit", "stdout", NULL};
  return (enum stream)luaL_checkoption(L, index, NULL, names);
}

static int push_limit(lua_State *L) {
  luaL_pushfail(L);
  lua_pushliteral(L, "limit");
  lua_pushfstring(L, "%d programs of this script run already", PROGRAMS_MAX);
  return 3;
}

/* core.spawn(arguments, environment, directory or nil, stdin, stdout, stderr) ->
 * process, stdin, stdout, stderr | nil, code, detail */
static int l_spawn(lua_State *L) {
  enum { ARGUMENTS = 1, ENVIRON, DIRECTORY, FIRST_STREAM, COUNT = FIRST_STREAM + STREAMS - 1 };
  struct runtime *runtime = runtime_of(L);
  struct version *version = version_of(L);
  enum stream kinds[STREAMS];
  struct streams streams;
  struct program_run *run;
  lua_settop(L, COUNT);
  for (int i = 0; i < STREAMS; i++) kinds[i] = check_stream(L, FIRST_STREAM + i);
  if (!vm_may_run(L)) {
    return api_push_failure(L, "EACCES",
                            "process.spawn is not allowed here: start with --allow run");
  }
  if (net_loop_is_simulated(runtime->loop)) {
    return api_push_failure(L, "ENOSYS", "a program cannot be started in simulated time");
  }
  if (version_count_owned(version, run_kind.name) >= PROGRAMS_MAX) return push_limit(L);
  struct net_process_options options = {
      .arguments = push_strings(L, ARGUMENTS),
      .environ = push_strings(L, ENVIRON),
      .cwd = luaL_optstring(L, DIRECTORY, NULL),
  };
  struct process_object *object = lua_newuserdatauv(L, sizeof *object, 0);
  *object = (struct process_object){0};
  luaL_setmetatable(L, type_name);
  int rc = run_start(runtime, kinds, &options, &streams, &run);
  if (vm_free_descriptors(L, -rc)) rc = run_start(runtime, kinds, &options, &streams, &run);
  if (rc != 0) return api_push_error(L, rc, options.arguments[0]);
  run->object = object;
  object->run = run;
  object->pid = net_process_id(run->process);
  version_own(version, &run->belonging, &run_kind);
  return push_streams(L, run, runtime, &streams) ? 1 + STREAMS : lua_error(L);
}

/* core.environ() -> list of "NAME=value", as the process has it; empty for who may not start any */
static int l_environ(lua_State *L) {
  char **all = vm_may_run(L) ? environ : NULL;
  lua_newtable(L);
  for (size_t i = 0; all && all[i]; i++) {
    lua_pushstring(L, all[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* --- Methods --------------------------------------------------------------------------------- */

static const struct signal_name {
  const char *name;
  int number;
} signal_names[] = {
    {"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGILL", SIGILL},
    {"SIGTRAP", SIGTRAP}, {"SIGABRT", SIGABRT}, {"SIGBUS", SIGBUS},   {"SIGFPE", SIGFPE},
    {"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1}, {"SIGSEGV", SIGSEGV}, {"SIGUSR2", SIGUSR2},
    {"SIGPIPE", SIGPIPE}, {"SIGALRM", SIGALRM}, {"SIGTERM", SIGTERM}, {"SIGCONT", SIGCONT},
    {"SIGSTOP", SIGSTOP}, {"SIGTSTP", SIGTSTP}, {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ},
    {"SIGSYS", SIGSYS},
};
enum { SIGNAL_COUNT = sizeof signal_names / sizeof *signal_names };

/* By name or number. Raises. */
static int check_signal(lua_State *L, int index) {
  const char *name = lua_isnoneornil(L, index) ? "SIGTERM" : lua_tostring(L, index);
  for (size_t i = 0; i < SIGNAL_COUNT; i++) {
    const char *known = signal_names[i].name;
    if (!name) break;
    if (strcmp(name, known) == 0 || strcmp(name, known + strlen("SIG")) == 0)
      return signal_names[i].number;
  }
  lua_Integer number = lua_tointeger(L, index);
  if (number > 0 && number < NSIG) return (int)number;
  lua_pushfstring(L, "bad argument #%d to 'kill' (a signal expected, such as \"SIGTERM\")",
                  index - 1);
  return api_refuse(L);
}

static void push_signal(lua_State *L, int number) {
  for (size_t i = 0; i < SIGNAL_COUNT; i++) {
    if (signal_names[i].number != number) continue;
    lua_pushstring(L, signal_names[i].name);
    return;
  }
  lua_pushinteger(L, number);
}

static int waited(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  const struct process_object *object = check_process(L);
  if (object->run) return api_push_timeout(L, NULL);
  if (object->is_lost) return api_push_closed(L);
  lua_pushinteger(L, object->signal ? SIGNAL_EXIT + object->signal : object->code);
  if (!object->signal) return 1;
  push_signal(L, object->signal);
  return 2;
}

/* process:wait([seconds]) -> code [, signal] | nil, "timeout" | nil, "closed" */
static int l_process_wait(lua_State *L) {
  struct process_object *object = check_process(L);
  uint64_t timeout_ms = api_check_timeout_ms(L, 2);
  api_check_count(L, 2, NULL);
  (void)vm_wait_ticket(L);
  if (!object->run) return waited(L, LUA_OK, 0);
  api_wait_begin(L, &object->waiter, timeout_ms, "wait() of this process");
  return vm_wait(L, 0, waited);
}

/* process:kill([signal]) -> true | nil, "closed" | nil, code, detail */
static int l_process_kill(lua_State *L) {
  const struct process_object *object = check_process(L);
  int signal = check_signal(L, 2);
  api_check_count(L, 2, NULL);
  if (!object->run) return api_push_closed(L);
  int rc = net_process_signal(object->run->process, signal);
  if (rc < 0) return api_push_error(L, rc, NULL);
  return api_push_true(L);
}

/* process:id() */
static int l_process_id(lua_State *L) {
  lua_pushinteger(L, check_process(L)->pid);
  return 1;
}

/* core.own() -> what starts this program again, the id of this process */
static int l_own(lua_State *L) {
  char found[PATH_MAX];
  const char *image = platform_own_image();
  if (!image) net_process_own_program(found, sizeof found);
  lua_pushstring(L, image ? image : found);
  lua_pushinteger(L, getpid());
  return 2;
}

static const luaL_Reg process_methods[] = {
    {"wait", l_process_wait}, {"kill", l_process_kill}, {"id", l_process_id}, {NULL, NULL}};

const struct api_type api_process_type = {
    .name = type_name, .methods = process_methods, .finalizer = l_process_gc};
const luaL_Reg api_process_functions[] = {
    {"spawn", l_spawn}, {"environ", l_environ}, {"own", l_own}, {NULL, NULL}};
