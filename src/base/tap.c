/* base/tap.c — who watches the events of a loop, and what they want — knows no event's meaning. */
#include "base/tap.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

_Static_assert(EVENT_KIND_COUNT <= 64, "tap.kinds has a bit for each kind");

void tap_init(struct tap *tap) {
  *tap = (struct tap){0};
  list_init(&tap->watchers);
}

static void add_up(struct tap *tap) {
  tap->kinds = 0;
  tap->bytes_max = 0;
  LIST_EACH (const struct tap_watcher, watcher, &tap->watchers, link) {
    tap->kinds |= watcher->kinds;
    if (watcher->bytes_max > tap->bytes_max) tap->bytes_max = watcher->bytes_max;
  }
}

void tap_add(struct tap *tap, struct tap_watcher *watcher) {
  list_append(&tap->watchers, &watcher->link);
  add_up(tap);
}

void tap_remove(struct tap *tap, struct tap_watcher *watcher) {
  list_remove(&watcher->link);
  add_up(tap);
}

static void tap_number(struct tap *tap, struct event *event) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  event->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  event->sequence = ++tap->sequence;
}

void tap_emit(struct tap *tap, struct event *event) {
  int saved_errno = errno;
  assert(event_kinds[event->kind].sources >> event->source & 1); /* as docs/events.md has it */
  tap_number(tap, event);
  LIST_EACH (struct tap_watcher, watcher, &tap->watchers, link) {
    if ((watcher->kinds >> event->kind) & 1) watcher->on_event(watcher, event);
  }
  errno = saved_errno;
}

void tap_tell(struct tap *tap, struct tap_watcher *watcher, struct event *event) {
  assert(event_kinds[event->kind].sources >> event->source & 1);
  tap_number(tap, event);
  if ((watcher->kinds >> event->kind) & 1) watcher->on_event(watcher, event);
}
