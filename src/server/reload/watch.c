/* server/reload/watch.c — tells which files changed — knows no scripts.
 *
 * The thread looks, judges what is due, and asks the loop to tell it; until that has happened it
 * waits, and what it scans is the loop's. It is none of libuv's threads: those end the process when
 * they cannot be started. */
#include "server/reload/watch.h"

#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

struct watch {
  uv_async_t tell;
  void (*on_change)(void *context, const struct scan *scan);
  void *context;
  struct scan scan;  /* the thread's, unless it tells */
  uint64_t pause_ns; /* from one look to the next, */
  unsigned restless; /* so many looks each found something else, and nothing was told */
  uv_mutex_t mutex;  /* for all below */
  uv_cond_t wake;
  struct scan next; /* was set, and takes the place of `scan` */
  bool is_set;
  bool is_telling; /* the thread waits until the loop has told what is due */
  bool is_ending;
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
static bool look(struct watch *watch) {
  struct scan *scan = &watch->scan;
  bool any = false;
  bool awaited = false;
  uint64_t start = uv_hrtime();
  bool has_moved = scan_run(scan);
  uint64_t took_ns = uv_hrtime() - start;
  for (size_t i = 0; i < scan->count; i++) {
    scan->entries[i].is_due = is_due(&scan->entries[i], scan->is_lost, &awaited);
    if (scan->entries[i].is_due) any = true;
  }
  bool tells = any && (!has_moved || watch->restless >= WATCH_PATIENCE_LOOKS);
  watch->restless = has_moved && !tells ? watch->restless + 1 : 0;
  watch->pause_ns = UINT64_C(1000000) * (has_moved || awaited ? WATCH_QUIET_MS : WATCH_LOOK_MS);
  if (watch->pause_ns < took_ns) watch->pause_ns = took_ns;
  return tells;
}

/* With the mutex, which it lets go while it looks. */
static void go_on(struct watch *watch) {
  struct scan next = watch->next;
  bool is_set = watch->is_set;
  watch->next = (struct scan){0};
  watch->is_set = false;
  uv_mutex_unlock(&watch->mutex);
  if (is_set) scan_follow(&next, &watch->scan);
  if (is_set) watch->scan = next;
  bool tells = look(watch) && !is_set; /* the look before was just now, perhaps */
  uv_mutex_lock(&watch->mutex);
  watch->is_telling = tells && !watch->is_set && !watch->is_ending;
  if (watch->is_telling) uv_async_send(&watch->tell);
}

static void *watch_run(void *argument) {
  struct watch *watch = argument;
  uv_mutex_lock(&watch->mutex);
  while (!watch->is_ending) {
    if (watch->is_telling || (!watch->is_set && watch->scan.count == 0)) {
      uv_cond_wait(&watch->wake, &watch->mutex);
    } else if (!watch->is_set && watch->pause_ns > 0) {
      uv_cond_timedwait(&watch->wake, &watch->mutex, watch->pause_ns);
      watch->pause_ns = 0;
    } else {
      go_on(watch);
    }
  }
  uv_mutex_unlock(&watch->mutex);
  uv_mutex_destroy(&watch->mutex);
  uv_cond_destroy(&watch->wake);
  scan_deinit(&watch->scan);
  scan_deinit(&watch->next);
  free(watch);
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

static void watch_on_tell(uv_async_t *async) {
  struct watch *watch = async->data;
  uv_mutex_lock(&watch->mutex);
  bool is_news = !watch->is_set; /* otherwise it may be known by now */
  uv_mutex_unlock(&watch->mutex);
  if (is_news) watch->on_change(watch->context, &watch->scan);
  for (size_t i = 0; is_news && i < watch->scan.count; i++) {
    if (watch->scan.entries[i].is_due) watch->scan.entries[i].told = watch->scan.entries[i].now;
  }
  uv_mutex_lock(&watch->mutex);
  watch->is_telling = false;
  uv_cond_signal(&watch->wake);
  uv_mutex_unlock(&watch->mutex);
}

/* The thread frees it, now or when a file system has answered. */
static void watch_on_closed(uv_handle_t *handle) {
  struct watch *watch = handle->data;
  uv_mutex_lock(&watch->mutex);
  watch->is_ending = true;
  uv_cond_signal(&watch->wake);
  uv_mutex_unlock(&watch->mutex);
}

struct watch *watch_new(struct net_loop *loop,
                        void (*on_change)(void *context, const struct scan *scan), void *context) {
  struct watch *watch = calloc(1, sizeof *watch);
  if (!watch) return NULL;
  watch->on_change = on_change;
  watch->context = context;
  watch->tell.data = watch;
  uv_mutex_init(&watch->mutex);
  uv_cond_init(&watch->wake);
  if (start_thread(watch) != 0) {
    watch->is_ending = true;
    watch_run(watch); /* that is, frees it */
    return NULL;
  }
  if (uv_async_init(net_loop_uv(loop), &watch->tell, watch_on_tell) == 0) {
    uv_unref((uv_handle_t *)&watch->tell);
    return watch;
  }
  watch_on_closed((uv_handle_t *)&watch->tell);
  return NULL;
}

void watch_set(struct watch *watch, struct scan scan) {
  uv_mutex_lock(&watch->mutex);
  scan_deinit(&watch->next);
  watch->next = scan;
  watch->is_set = true;
  uv_cond_signal(&watch->wake);
  uv_mutex_unlock(&watch->mutex);
}

void watch_free(struct watch *watch) {
  uv_close((uv_handle_t *)&watch->tell, watch_on_closed);
}
