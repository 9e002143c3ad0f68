/* server/reload/watch.c — tells which files changed — knows no scripts.
 *
 * The loop looks, as long as that is quick. On a file system that may not answer, and when a look
 * took long, the next one is made by a thread, which ends with it: a process pays for a second one at
 * each system call, and starting one five times a second costs as much as all else that an idle
 * server does. `scan` is the thread's then. It is none of libuv's, which stay, and end the process
 * when they cannot be started. */
#include "server/reload/watch.h"

#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

enum { QUICK_NS = 1000000 }; /* a look that takes longer is not for the loop */

struct watch {
  uv_timer_t due;    /* for the next look */
  uv_async_t looked; /* the thread has */
  unsigned open;     /* of those two handles */
  void (*on_change)(void *context, const struct scan *scan);
  void *context;
  struct scan scan;
  bool has_moved;    /* the look found something else than the one before, */
  uint64_t took_ns;  /* and took so long */
  unsigned restless; /* so many looks each found something else, and nothing was told */
  bool is_fresh;     /* the look is the first since `scan` was set */
  bool is_busy;      /* a look is under way, or what it found is told */
  struct scan next;  /* was set meanwhile, and takes the place of `scan` */
  bool is_set;
  uv_mutex_t mutex; /* for what follows */
  bool is_looking;  /* a thread is */
  bool is_closed;   /* it frees all, when a file system has answered */
};

/* *awaited is set when it is missing and does not count as gone yet. */
static bool is_due(struct scan_entry *entry, bool is_lost, bool *awaited) {
  bool is_new = entry->now.error != PRINT_UNKNOWN && !file_print_equal(entry->now, entry->told);
  if (entry->told.error == PRINT_MISSED) is_new = entry->now.error == 0;
  bool is_missing = is_new && !entry->is_directory && entry->now.error == ENOENT;
  /* The directory may be what is missing. */
  entry->missing_looks = is_missing && !is_lost ? entry->missing_looks + 1 : 0;
  if (is_missing) {
    bool is_gone = entry->missing_looks > WATCH_GONE_LOOKS;
    if (!is_gone && !is_lost) *awaited = true;
    return is_gone;
  }
  /* News of a directory waits while a file is missing: the owner would take that as gone. */
  bool waits = entry->is_directory && entry->now.error == 0 && entry->told.error == 0 && *awaited;
  return is_new && !waits;
}

/* True when something is to be told: two looks agree on it, or for long none do. */
static bool judge(struct watch *watch, bool *awaited) {
  struct scan *scan = &watch->scan;
  bool any = false;
  for (size_t i = 0; i < scan->count; i++) {
    scan->entries[i].is_due = is_due(&scan->entries[i], scan->is_lost, awaited);
    if (scan->entries[i].is_due) any = true;
  }
  bool tells = any && (!watch->has_moved || watch->restless >= WATCH_PATIENCE_LOOKS);
  watch->restless = watch->has_moved && !tells ? watch->restless + 1 : 0;
  return tells && !watch->is_fresh; /* the look before was just now, perhaps */
}

static void tell(struct watch *watch) {
  watch->on_change(watch->context, &watch->scan);
  for (size_t i = 0; i < watch->scan.count; i++) {
    if (watch->scan.entries[i].is_due) watch->scan.entries[i].told = watch->scan.entries[i].now;
  }
}

static void watch_on_due(uv_timer_t *timer);

static void look_after(struct watch *watch, uint64_t ms) {
  uv_timer_stop(&watch->due);
  if (watch->scan.count > 0) uv_timer_start(&watch->due, watch_on_due, ms, 0);
}

static void take_next(struct watch *watch) {
  scan_follow(&watch->next, &watch->scan);
  watch->scan = watch->next;
  watch->next = (struct scan){0};
  watch->is_set = false;
  watch->is_fresh = true;
  look_after(watch, 0);
}

static void watch_on_looked(uv_async_t *async) {
  struct watch *watch = async->data;
  bool awaited = false;
  uv_mutex_lock(&watch->mutex); /* from here on `scan` is the loop's */
  uv_mutex_unlock(&watch->mutex);
  bool tells = !watch->is_set && judge(watch, &awaited); /* otherwise it may be known by now */
  if (tells) tell(watch);
  watch->is_busy = false;
  watch->is_fresh = false;
  if (watch->is_set) {
    take_next(watch);
    return;
  }
  uint64_t took_ms = watch->took_ns / 1000000;
  uint64_t pause_ms = watch->has_moved || awaited ? WATCH_QUIET_MS : WATCH_LOOK_MS;
  look_after(watch, pause_ms > took_ms ? pause_ms : took_ms);
}

static void look(struct watch *watch) {
  uint64_t start_ns = uv_hrtime();
  watch->has_moved = scan_run(&watch->scan);
  watch->took_ns = uv_hrtime() - start_ns;
}

static void watch_deinit(struct watch *watch) {
  uv_mutex_destroy(&watch->mutex);
  scan_deinit(&watch->scan);
  scan_deinit(&watch->next);
  free(watch);
}

static void *watch_run(void *argument) {
  struct watch *watch = argument;
  look(watch);
  uv_mutex_lock(&watch->mutex);
  bool is_closed = watch->is_closed;
  watch->is_looking = false;
  if (!is_closed) uv_async_send(&watch->looked);
  uv_mutex_unlock(&watch->mutex);
  if (is_closed) watch_deinit(watch);
  return NULL;
}

static int start_thread(struct watch *watch) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all); /* signals are for the thread that runs the loop */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&thread, NULL, watch_run, watch);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (rc == 0) pthread_detach(thread);
  return rc;
}

/* When no thread can be had the loop looks: who does not look sees no change. */
static void watch_on_due(uv_timer_t *timer) {
  struct watch *watch = timer->data;
  watch->is_busy = true;
  watch->is_looking = watch->scan.may_hang || watch->took_ns > QUICK_NS;
  if (watch->is_looking && start_thread(watch) == 0) return;
  watch->is_looking = false;
  look(watch);
  watch_on_looked(&watch->looked);
}

static void watch_on_closed(uv_handle_t *handle) {
  struct watch *watch = handle->data;
  if (--watch->open > 0) return;
  uv_mutex_lock(&watch->mutex);
  bool is_looking = watch->is_looking;
  watch->is_closed = true;
  uv_mutex_unlock(&watch->mutex);
  if (!is_looking) watch_deinit(watch);
}

struct watch *watch_new(struct net_loop *loop,
                        void (*on_change)(void *context, const struct scan *scan), void *context) {
  struct watch *watch = calloc(1, sizeof *watch);
  if (!watch) return NULL;
  watch->on_change = on_change;
  watch->context = context;
  watch->due.data = watch->looked.data = watch;
  if (uv_async_init(net_loop_uv(loop), &watch->looked, watch_on_looked) < 0) {
    free(watch);
    return NULL;
  }
  uv_timer_init(net_loop_uv(loop), &watch->due);
  watch->open = 2;
  uv_unref((uv_handle_t *)&watch->looked);
  uv_unref((uv_handle_t *)&watch->due);
  uv_mutex_init(&watch->mutex);
  return watch;
}

void watch_set(struct watch *watch, struct scan scan) {
  scan_deinit(&watch->next);
  watch->next = scan;
  watch->is_set = true;
  if (!watch->is_busy) take_next(watch);
}

void watch_free(struct watch *watch) {
  uv_close((uv_handle_t *)&watch->looked, watch_on_closed);
  uv_close((uv_handle_t *)&watch->due, watch_on_closed);
}
