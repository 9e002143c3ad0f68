/* vm/watchdog.c — ends handlers that outlive their CPU budget. Knows Lua's hooks, not libuv.
 *
 * An entry costs the watched thread a few stores and no clock: entries are numbered, and the
 * watchdog itself notes when it first saw a number. An overdue one is condemned: a signal to the
 * watched thread sets a hook on the coroutine that runs (lua_sethook may be called from a signal
 * handler, as lua.c does), and the hook raises at the next instruction. A script that catches the
 * error meets it again, as long as the entry lasts. */
#include "vm/watchdog.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  SIGNAL = SIGURG, /* ignored by default, so that a late one does no harm */
  LOOK_MS = 20,
  PARK_AFTER_LOOKS = 50, /* with nothing running: sleep until the next entry */
};

struct vm_watchdog {
  _Atomic uint64_t entry;     /* number of the entry; odd while one runs */
  _Atomic uint64_t condemned; /* the entry whose time is up */
  lua_State *_Atomic running; /* the coroutine that runs */
  _Atomic unsigned cpu_ms_max;
  atomic_bool parked;
  pthread_t watched;
  clockid_t watched_clock;
  void (*on_stuck)(void *context, unsigned ms);
  void *context;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  bool ending; /* under the mutex */
};

static bool is_condemned(struct vm_watchdog *watchdog) {
  return atomic_load(&watchdog->entry) == atomic_load(&watchdog->condemned);
}

/* The watchdog of a state is found through its registry: a hook has no argument of its own. */
static const char registry_key = 0;

static void on_hook(lua_State *L, lua_Debug *activation) {
  (void)activation;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  struct vm_watchdog *watchdog = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!watchdog || !is_condemned(watchdog)) {
    lua_sethook(L, NULL, 0, 0); /* a coroutine that was condemned in an earlier entry */
    return;
  }
  luaL_where(L, 0);
  lua_pushfstring(L, "used more than limits.cpu_ms = %d of processor time",
                  (int)atomic_load(&watchdog->cpu_ms_max));
  lua_concat(L, 2);
  lua_error(L);
}

static void set_hook(lua_State *L) {
  lua_sethook(L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  /* Anybody may send this signal; only our own carries a pointer. */
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
  struct vm_watchdog *watchdog = info->si_value.sival_ptr;
  lua_State *L = atomic_load(&watchdog->running);
  if (!L || !is_condemned(watchdog)) return;
  set_hook(L);
}

static int64_t cpu_ms(struct vm_watchdog *watchdog) {
  struct timespec time;
  if (clock_gettime(watchdog->watched_clock, &time) < 0) return 0;
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* What the watchdog saw last. */
struct sighting {
  uint64_t entry;
  int64_t since_cpu_ms;
  int idle_looks;
};

static void look(struct vm_watchdog *watchdog, struct sighting *last) {
  uint64_t entry = atomic_load(&watchdog->entry);
  bool running = entry & 1;
  last->idle_looks = running ? 0 : last->idle_looks + 1;
  if (!running) return;
  int64_t now = cpu_ms(watchdog);
  if (entry != last->entry) {
    last->entry = entry;
    last->since_cpu_ms = now;
    return;
  }
  unsigned max = atomic_load(&watchdog->cpu_ms_max);
  int64_t used = now - last->since_cpu_ms;
  if (max == 0 || used < (int64_t)max) return;
  atomic_store(&watchdog->condemned, entry);
  union sigval value = {.sival_ptr = watchdog};
  pthread_sigqueue(watchdog->watched, SIGNAL, value);
  if (used >= (int64_t)max * WATCHDOG_HARD_FACTOR && used >= WATCHDOG_HARD_MS_MIN) {
    watchdog->on_stuck(watchdog->context, (unsigned)used);
  }
}

static void wait_for_next_look(struct vm_watchdog *watchdog, struct sighting *last) {
  if (last->idle_looks >= PARK_AFTER_LOOKS) {
    atomic_store(&watchdog->parked, true);
    /* An entry between the look and the store has not seen `parked`. */
    if (!(atomic_load(&watchdog->entry) & 1)) pthread_cond_wait(&watchdog->wake, &watchdog->mutex);
    atomic_store(&watchdog->parked, false);
    last->idle_looks = 0;
    return;
  }
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += LOOK_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait(&watchdog->wake, &watchdog->mutex, &until);
}

static void *watch(void *argument) {
  struct vm_watchdog *watchdog = argument;
  struct sighting last = {0};
  pthread_mutex_lock(&watchdog->mutex);
  while (!watchdog->ending) {
    wait_for_next_look(watchdog, &last);
    look(watchdog, &last);
  }
  pthread_mutex_unlock(&watchdog->mutex);
  return NULL;
}

static int start_thread(struct vm_watchdog *watchdog) {
  sigset_t all, before;
  sigfillset(&all); /* signals are for the thread that runs the loop */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&watchdog->thread, NULL, watch, watchdog);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

struct vm_watchdog *vm_watchdog_new(void (*on_stuck)(void *context, unsigned ms), void *context) {
  struct vm_watchdog *watchdog = calloc(1, sizeof *watchdog);
  if (!watchdog) return NULL;
  watchdog->watched = pthread_self();
  watchdog->on_stuck = on_stuck;
  watchdog->context = context;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&watchdog->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&watchdog->mutex, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  bool ready = pthread_getcpuclockid(watchdog->watched, &watchdog->watched_clock) == 0 &&
               sigaction(SIGNAL, &action, NULL) == 0 && start_thread(watchdog) == 0;
  if (ready) return watchdog;
  pthread_mutex_destroy(&watchdog->mutex);
  pthread_cond_destroy(&watchdog->wake);
  free(watchdog);
  return NULL;
}

void vm_watchdog_free(struct vm_watchdog *watchdog) {
  pthread_mutex_lock(&watchdog->mutex);
  watchdog->ending = true;
  pthread_cond_signal(&watchdog->wake);
  pthread_mutex_unlock(&watchdog->mutex);
  pthread_join(watchdog->thread, NULL);
  signal(SIGNAL, SIG_IGN); /* one that is still under way would find no watchdog */
  pthread_mutex_destroy(&watchdog->mutex);
  pthread_cond_destroy(&watchdog->wake);
  free(watchdog);
}

void vm_watchdog_attach(struct vm_watchdog *watchdog, lua_State *L) {
  lua_pushlightuserdata(L, watchdog);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
}

void vm_watchdog_enter(struct vm_watchdog *watchdog, lua_State *L, unsigned cpu_ms_max) {
  atomic_store_explicit(&watchdog->running, L, memory_order_relaxed);
  atomic_store_explicit(&watchdog->cpu_ms_max, cpu_ms_max, memory_order_relaxed);
  uint64_t entry = atomic_load_explicit(&watchdog->entry, memory_order_relaxed);
  atomic_store(&watchdog->entry, entry + 1); /* ordered before the look at `parked` */
  if (!atomic_load_explicit(&watchdog->parked, memory_order_relaxed)) return;
  pthread_mutex_lock(&watchdog->mutex);
  pthread_cond_signal(&watchdog->wake);
  pthread_mutex_unlock(&watchdog->mutex);
}

bool vm_watchdog_leave(struct vm_watchdog *watchdog) {
  bool overdue = is_condemned(watchdog);
  uint64_t entry = atomic_load_explicit(&watchdog->entry, memory_order_relaxed);
  atomic_store_explicit(&watchdog->entry, entry + 1, memory_order_release);
  atomic_store_explicit(&watchdog->running, NULL, memory_order_relaxed);
  return overdue;
}

lua_State *vm_watchdog_switch(struct vm_watchdog *watchdog, lua_State *L) {
  lua_State *before = atomic_load_explicit(&watchdog->running, memory_order_relaxed);
  atomic_store_explicit(&watchdog->running, L, memory_order_relaxed);
  /* The coroutine that the signal met may have ended by its error; the loop may be in this one. */
  if (is_condemned(watchdog)) set_hook(L);
  return before;
}

lua_State *vm_watchdog_running(struct vm_watchdog *watchdog) {
  return atomic_load_explicit(&watchdog->running, memory_order_relaxed);
}
