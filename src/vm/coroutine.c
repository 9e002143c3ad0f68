/* vm/coroutine.c — coroutine.resume, wrap, yield and close for scripts whose calls may wait.
 *
 * A call that waits inside a coroutine of the script's own suspends the whole handler, not only that
 * coroutine: the wait passes through resume() to the task, and waking comes back the same way. So an
 * iterator made with coroutine.wrap may read from a connection. The watchdog is told who runs. */
#include "vm/vm_state.h"
#include "vm/watchdog.h"

#include <lauxlib.h>
#include <lualib.h>

/* Registry key of a set, weak in its keys, of the coroutines in which a wait is under way: nobody
 * else may resume those. */
static const char waiting_key = 0;

static void mark_waiting(lua_State *L, lua_State *co, bool on) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key);
  lua_pushthread(co);
  lua_xmove(co, L, 1);
  if (on) {
    lua_pushboolean(L, true);
  } else {
    lua_pushnil(L);
  }
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

static int l_mark(lua_State *L) {
  mark_waiting(L, lua_touserdata(L, 1), true);
  return 0;
}

/* Before the wait of `co` goes on to its caller. When memory is out the wait is over: whoever would
 * wake it holds a ticket of an earlier turn from here on. */
static void mark_or_give_up(lua_State *L, lua_State *co) {
  struct vm *vm = vm_of(L);
  lua_pushcfunction(L, l_mark);
  lua_pushlightuserdata(L, co);
  vm->shared->waiting = false; /* a finalizer may run in between */
  bool marked = lua_pcall(L, 1, 0, 0) == LUA_OK;
  vm->shared->waiting = marked;
  if (marked) return;
  vm->shared->running->turn++;
  lua_error(L);
}

void vm_reserve_coroutine(lua_State *L, lua_State *co) {
  mark_waiting(L, co, true);
}

static bool is_waiting(lua_State *L, lua_State *co) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key);
  lua_pushthread(co);
  lua_xmove(co, L, 1);
  bool waiting = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return waiting;
}

static int resume_in_frame(lua_State *L, lua_State *co, int argument_count, int *result_count) {
  struct vm *vm = vm_of(L);
  struct vm_frame frame = {.L = co, .caller = vm->shared->frame};
  struct vm_watchdog *watchdog = vm->options.watchdog;
  vm->shared->frame = &frame;
  lua_State *before = watchdog ? vm_watchdog_switch(watchdog, co) : NULL;
  int rc = lua_resume(co, L, argument_count, result_count);
  if (watchdog) vm_watchdog_switch(watchdog, before);
  vm->shared->frame = frame.caller;
  return rc;
}

enum resume_outcome { RESUMED, RESUME_FAILED, RESUME_WAITS };

/* Like auxresume() of Lua's own lcorolib.c: results, or the error value, end up on L's stack. */
static enum resume_outcome resume_once(lua_State *L, lua_State *co, int argument_count,
                                       int *result_count) {
  if (!lua_checkstack(co, argument_count)) {
    lua_pushliteral(L, "too many arguments to resume");
    return RESUME_FAILED;
  }
  lua_xmove(L, co, argument_count);
  int rc = resume_in_frame(L, co, argument_count, result_count);
  if (rc == LUA_YIELD && vm_of(L)->shared->waiting) {
    lua_pop(co, *result_count);
    return RESUME_WAITS;
  }
  if (rc != LUA_OK && rc != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return RESUME_FAILED;
  }
  if (!lua_checkstack(L, *result_count + 1)) {
    lua_pop(co, *result_count);
    lua_pushliteral(L, "too many results to resume");
    return RESUME_FAILED;
  }
  lua_xmove(co, L, *result_count);
  return RESUMED;
}

/* Closes a coroutine's pending variables under the watchdog's eye; the status as lua_closethread(). */
static int close_watched(lua_State *L, lua_State *co) {
  struct vm_watchdog *watchdog = vm_of(L)->options.watchdog;
  lua_State *before = watchdog ? vm_watchdog_switch(watchdog, co) : NULL;
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(co, L);
#else
  int status = lua_resetthread(co);
#endif
  if (watchdog) vm_watchdog_switch(watchdog, before);
  return status;
}

/* What differs between coroutine.resume() and the function that coroutine.wrap() gives. */
typedef int (*resume_return)(lua_State *L, lua_State *co, enum resume_outcome outcome,
                             int result_count);

static int resume_return_status(lua_State *L, lua_State *co, enum resume_outcome outcome,
                                int result_count) {
  (void)co;
  int count = outcome == RESUMED ? result_count : 1;
  lua_pushboolean(L, outcome == RESUMED);
  lua_insert(L, -(count + 1));
  return count + 1;
}

static int resume_return_or_raise(lua_State *L, lua_State *co, enum resume_outcome outcome,
                                  int result_count) {
  if (outcome == RESUMED) return result_count;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) { /* it raised: close what it left open */
    close_watched(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int go_on_status(lua_State *L, int status, lua_KContext context);
static int go_on_raise(lua_State *L, int status, lua_KContext context);

static int resume_any(lua_State *L, lua_State *co, int argument_count, resume_return finish) {
  int result_count = 0;
  enum resume_outcome outcome = resume_once(L, co, argument_count, &result_count);
  if (outcome != RESUME_WAITS) return finish(L, co, outcome, result_count);
  mark_or_give_up(L, co);
  lua_KFunction go_on = finish == resume_return_status ? go_on_status : go_on_raise;
  return lua_yieldk(L, 0, (lua_KContext)co, go_on); /* vm_wait() saw to it that L can yield */
}

/* The wait is over: into `co` again, without arguments. It is anchored by the call's own frame. */
static int go_on(lua_State *L, lua_KContext context, resume_return finish) {
  lua_State *co = (lua_State *)context;
  mark_waiting(L, co, false);
  return resume_any(L, co, 0, finish);
}

static int go_on_status(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, context, resume_return_status);
}

static int go_on_raise(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, context, resume_return_or_raise);
}

/* Whether `co` can be resumed by L now; if not, leaves the message on the stack. */
static bool can_resume(lua_State *L, lua_State *co) {
  if (lua_status(co) == LUA_OK && lua_gettop(co) == 0) {
    lua_pushliteral(L, "cannot resume dead coroutine");
    return false;
  }
  if (lua_status(co) == LUA_YIELD && is_waiting(L, co)) {
    lua_pushliteral(L, "cannot resume a coroutine that waits in another handler");
    return false;
  }
  return true;
}

static int l_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  if (!can_resume(L, co)) return resume_return_status(L, co, RESUME_FAILED, 0);
  return resume_any(L, co, lua_gettop(L) - 1, resume_return_status);
}

static int l_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  if (!can_resume(L, co)) return resume_return_or_raise(L, co, RESUME_FAILED, 0);
  return resume_any(L, co, lua_gettop(L), resume_return_or_raise);
}

static int l_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, l_wrapped, 1);
  return 1;
}

/* coroutine.close(co), as Lua's own but for a wait under way */
static int l_close(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  lua_Debug activation;
  bool runs = co == L || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &activation));
  if (runs) return luaL_error(L, "cannot close a coroutine that runs");
  if (is_waiting(L, co)) return luaL_error(L, "cannot close a coroutine that waits");
  if (close_watched(L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

static int l_yield(lua_State *L) {
  const struct vm *vm = vm_of(L);
  if (L == vm->shared->L || (vm->shared->running && L == vm->shared->running->L)) {
    return luaL_error(L, "attempt to yield from outside a coroutine");
  }
  return lua_yield(L, lua_gettop(L));
}

void vm_prepare_coroutines(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &waiting_key);
}

void vm_open_coroutine(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"resume", l_resume}, {"wrap", l_wrap}, {"yield", l_yield}, {"close", l_close}, {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
