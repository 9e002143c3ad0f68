/* server/reload/watch.c — tells which files changed. Knows the file system and the loop, and no scripts.
 *
 * idle -> settling (an event, or a difference that the clock's look found: wait until it is quiet)
 * -> scanning -> what differs is told -> idle. A difference that the clock finds is not told at
 * once, for where no event arrives nothing else tells that a file is still being written. */
#include "server/reload/watch.h"

#include "base/log.h"
#include "net/loop.h"
#include "server/reload/differ.h"
#include "server/reload/dir_events.h"
#include "server/reload/scan.h"
#include "server/reload/scanner.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <uv.h>

struct watch {
  struct net_loop *loop;
  struct watch_options options;
  void (*on_change)(void *context, const struct watch_change *change);
  void *context;
  struct scanner *scanner;
  struct dir_events *events;
  struct scan *scan;          /* what is watched; while `scanning` it is the scanner's */
  struct scan *next;          /* set meanwhile; or NULL */
  bool scanning;              /* the scanner is at work */
  bool settled;               /* that scan began in quiet: what it finds is told */
  bool telling;               /* inside on_change() */
  bool failure_told;          /* that events are not to be had */
  uint64_t restless_since_ms; /* the first event of those that are settling; 0: none */
  uv_timer_t poll;
  uv_timer_t settle;
  unsigned timers_open;
};

static void start_scan(struct watch *watch, bool settled, size_t rehash_bytes_max) {
  assert(!watch->scanning && !watch->telling);
  watch->scanning = true;
  watch->settled = settled;
  scanner_start(watch->scanner, watch->scan, rehash_bytes_max);
}

static void on_settle(uv_timer_t *timer) {
  struct watch *watch = timer->data;
  if (watch->scanning) return; /* on_scanned() sees that there is unrest, and asks again */
  watch->restless_since_ms = 0;
  start_scan(watch, true, 0);
}

static void on_poll(uv_timer_t *timer) {
  struct watch *watch = timer->data;
  if (watch->scanning || watch->restless_since_ms != 0) return;
  start_scan(watch, false, WATCH_REHASH_BYTES_MAX);
}

/* Scans when it has been quiet for a while, but not later than patience allows. */
static void settle(struct watch *watch) {
  uint64_t now = uv_hrtime() / 1000000;
  if (watch->restless_since_ms == 0) watch->restless_since_ms = now;
  uint64_t waited = now - watch->restless_since_ms;
  uint64_t left = waited < WATCH_PATIENCE_MS ? WATCH_PATIENCE_MS - waited : 0;
  /* The loop's clock stands since before whatever this turn did. */
  uint64_t lag = now - net_loop_now_ms(watch->loop);
  uint64_t wait = left < WATCH_QUIET_MS ? left : WATCH_QUIET_MS;
  uv_timer_start(&watch->settle, on_settle, wait + lag, 0);
}

static void on_event(void *context) {
  settle(context);
}

/* Once: the reasons stay, and nothing is lost but time. */
static void say_failure(struct watch *watch, int failure) {
  if (watch->failure_told) return;
  watch->failure_told = true;
  const char *advice = "";
  if (failure == UV_ENOSPC) advice = "; raise fs.inotify.max_user_watches to see them at once";
  if (failure == UV_EMFILE) {
    advice = "; raise fs.inotify.max_user_instances, or the limit of open files, to see them at "
             "once";
  }
  log_printf(watch->options.log, LOG_WARN,
             "changes of files are found once a second only: events of the system are not to be "
             "had: %s%s",
             uv_strerror(failure), advice);
}

static void follow_places(struct watch *watch) {
  int failure;
  if (!watch->scan->places_known) return; /* those of before are still watched */
  size_t opened = dir_events_set(watch->events, &watch->scan->places, &failure);
  if (failure < 0) say_failure(watch, failure);
  if (opened > 0) settle(watch); /* for what changed before it was watched */
}

static void adopt_next(struct watch *watch) {
  struct scan *before = watch->scan;
  watch->scan = watch->next;
  watch->next = NULL;
  scan_sort(watch->scan);
  if (before) {
    differ_inherit(watch->scan, before);
    scan_free(before);
  }
  if (watch->scan->file_count == 0 && watch->scan->directory_count == 0) {
    uv_timer_stop(&watch->poll);
    uv_timer_stop(&watch->settle);
    watch->restless_since_ms = 0;
    follow_places(watch);
    return;
  }
  uv_timer_start(&watch->poll, on_poll, WATCH_POLL_MS, WATCH_POLL_MS);
  start_scan(watch, false, 0);
}

/* Tells what the scan found, when it began in quiet; otherwise there is to be another one. */
static void compare(struct watch *watch) {
  struct scan *scan = watch->scan;
  struct watch_item *items = calloc(scan->file_count + scan->directory_count + 1, sizeof *items);
  if (!items) return; /* nothing counts as told, so the next look finds it again */
  size_t count = differ_collect(scan, uv_hrtime() / 1000000, watch->settled, items);
  if (count > 0 && watch->settled) {
    watch->telling = true;
    watch->on_change(watch->context, &(struct watch_change){.items = items, .count = count});
    watch->telling = false;
  }
  bool again = (count > 0 && !watch->settled) || differ_is_missing_some(scan);
  if (again || watch->restless_since_ms != 0) settle(watch);
  differ_forget_gone(scan);
  free(items);
}

static void on_scanned(void *context) {
  struct watch *watch = context;
  watch->scanning = false;
  if (!watch->next) {
    follow_places(watch);
    compare(watch);
  }
  if (watch->next) adopt_next(watch);
}

static struct scan *make_scan(const struct watch_file *files, size_t file_count,
                              const char *const *directories, size_t directory_count) {
  struct scan *scan = scan_new();
  bool complete = scan != NULL;
  for (size_t i = 0; i < file_count && complete; i++) {
    struct scan_file *file = scan_add_file(scan, files[i].path);
    complete = file != NULL;
    if (file && files[i].missed)
      file->known = file->loaded = (struct file_print){.state = FILE_ABSENT};
    if (!file || !files[i].loaded) continue;
    file->loaded = (struct file_print){.state = FILE_READ, .digest = *files[i].loaded};
    file->known = file->loaded;
  }
  for (size_t i = 0; i < directory_count && complete; i++) {
    complete = scan_add_directory(scan, directories[i]) == 0;
  }
  if (complete) return scan;
  if (scan) scan_free(scan);
  return NULL;
}

int watch_set(struct watch *watch, const struct watch_file *files, size_t file_count,
              const char *const *directories, size_t directory_count) {
  if (watch->options.off) return 0;
  struct scan *scan = make_scan(files, file_count, directories, directory_count);
  if (!scan) return -1;
  if (watch->next) scan_free(watch->next);
  watch->next = scan;
  if (!watch->scanning && !watch->telling) adopt_next(watch);
  return 0;
}

static void on_timer_closed(uv_handle_t *handle) {
  struct watch *watch = handle->data;
  if (--watch->timers_open == 0) free(watch);
}

static void init_timer(struct watch *watch, uv_timer_t *timer) {
  uv_timer_init(net_loop_uv(watch->loop), timer);
  uv_unref((uv_handle_t *)timer);
  timer->data = watch;
  watch->timers_open++;
}

struct watch *watch_new(struct net_loop *loop, const struct watch_options *options,
                        void (*on_change)(void *context, const struct watch_change *change),
                        void *context) {
  struct watch *watch = calloc(1, sizeof *watch);
  if (!watch) return NULL;
  watch->loop = loop;
  watch->options = *options;
  watch->on_change = on_change;
  watch->context = context;
  init_timer(watch, &watch->poll);
  init_timer(watch, &watch->settle);
  if (options->off) return watch;
  watch->events = dir_events_new(loop, on_event, watch);
  watch->scanner = scanner_open(loop, on_scanned, watch);
  if (watch->events && watch->scanner) return watch;
  watch_free(watch);
  return NULL;
}

void watch_free(struct watch *watch) {
  assert(!watch->telling);
  if (watch->scanner) scanner_close(watch->scanner);
  if (watch->events) dir_events_free(watch->events);
  if (watch->scan) scan_free(watch->scan);
  if (watch->next) scan_free(watch->next);
  uv_close((uv_handle_t *)&watch->poll, on_timer_closed);
  uv_close((uv_handle_t *)&watch->settle, on_timer_closed);
}
