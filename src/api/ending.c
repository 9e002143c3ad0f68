/* api/ending.c — what ends a command that would go on for ever: a signal, or Enter. Knows no command.
 *
 * Signals are caught from core.ending() of moonport.cli on, so that none is missed between two waits. */
#include "api/modules.h"
#include "api/runtime.h"
#include "api/wait.h"
#include "net/loop.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

static const char type_name[] = "moonport.ending";

struct ending {
  uv_signal_t signals[2];
  uv_poll_t input;
  int terminal; /* what `input` looks at; negative: nothing */
  int handles;  /* that are not closed yet */
  bool has_come;
  struct api_wait wait;
};

static void ending_on_closed(uv_handle_t *handle) {
  struct ending *ending = handle->data;
  if (--ending->handles > 0) return;
  if (ending->terminal >= 0) close(ending->terminal);
  free(ending);
}

static void come(struct ending *ending) {
  ending->has_come = true;
  api_wait_wake(&ending->wait);
}

static void ending_on_signal(uv_signal_t *handle, int number) {
  (void)number;
  come(handle->data);
}

/* Whoever presses Enter has seen enough. What else is on that line is no command; the next one may
 * be, and a terminal hands over a line at a time. */
static void ending_on_input(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events;
  struct ending *ending = handle->data;
  char bytes[256];
  ssize_t size;
  do {
    size = read(ending->terminal, bytes, sizeof bytes);
  } while (size > 0 && bytes[size - 1] != '\n');
  uv_poll_stop(handle);
  come(ending);
}

static void watch_signal(uv_loop_t *uv, struct ending *ending, uv_signal_t *handle, int number) {
  handle->data = ending;
  ending->handles++;
  uv_signal_init(uv, handle);
  uv_signal_start(handle, ending_on_signal, number);
}

/* Opened anew: libuv makes what it polls non-blocking, and standard output may be the same file. */
static void watch_input(uv_loop_t *uv, struct ending *ending) {
  ending->input.data = ending;
  ending->terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (ending->terminal < 0 || uv_poll_init(uv, &ending->input, ending->terminal) < 0) return;
  ending->handles++;
  uv_poll_start(&ending->input, UV_READABLE, ending_on_input);
}

/* core.ending(with_input) -> what SIGINT and SIGTERM end, and a line of standard input */
int api_new_ending(lua_State *L) {
  bool with_input = lua_toboolean(L, 1);
  struct ending **self = lua_newuserdatauv(L, sizeof *self, 0);
  *self = NULL;
  luaL_setmetatable(L, type_name);
  uv_loop_t *uv = net_loop_uv(runtime_of(L)->loop);
  struct ending *ending = *self = calloc(1, sizeof *ending);
  if (!ending) return luaL_error(L, "not enough memory");
  ending->terminal = -1;
  watch_signal(uv, ending, &ending->signals[0], SIGINT);
  watch_signal(uv, ending, &ending->signals[1], SIGTERM);
  if (with_input) watch_input(uv, ending);
  return 1;
}

/* ending:wait(): until it has come */
static int l_wait(lua_State *L) {
  struct ending **self = luaL_checkudata(L, 1, type_name);
  if (!*self || (*self)->has_come) return 0;
  api_wait_begin(L, &(*self)->wait, 0, "wait()");
  return vm_wait(L, 0, vm_nothing_follows);
}

/* ending:close(): signals do what they did before; whoever waits goes on */
static int l_close(lua_State *L) {
  struct ending **self = luaL_checkudata(L, 1, type_name);
  struct ending *ending = *self;
  if (!ending) return 0;
  *self = NULL;
  api_wait_forget(&ending->wait);
  for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&ending->signals[i], ending_on_closed);
  if (ending->handles > 2) uv_close((uv_handle_t *)&ending->input, ending_on_closed);
  return 0;
}

void api_open_ending(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"wait", l_wait}, {"close", l_close}, {"__close", l_close}, {NULL, NULL}};
  luaL_newmetatable(L, type_name);
  luaL_setfuncs(L, functions, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
