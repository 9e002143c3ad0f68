/* base/tap.h — who watches the events of a loop, and what they want — knows no event's meaning.
 *
 * While nobody watches, a tap costs whoever might emit one load and one branch: tap_wants(). */
#pragma once

#include "base/event.h"
#include "base/list.h"

#include <stdbool.h>

struct tap {
  uint64_t kinds;    /* bits 1 << enum event_kind that some watcher wants; 0: nobody watches */
  size_t bytes_max;  /* the most that a watcher wants of an event's bytes */
  uint64_t sequence; /* of the last event */
  uint64_t dropped;  /* events that a watcher wanted, and had no room for */
  struct list watchers;
};

/* One who watches; part of its owner's memory. */
struct tap_watcher {
  struct list link;
  uint64_t kinds;
  size_t bytes_max;
  /* The event, and what it points to, is the emitter's. It comes from the middle of things: keep
   * what is needed, and neither add nor remove a watcher, nor touch a connection. */
  void (*on_event)(struct tap_watcher *watcher, const struct event *event);
};

void tap_init(struct tap *tap);
void tap_add(struct tap *tap, struct tap_watcher *watcher);
/* Harmless for one that was removed already. */
void tap_remove(struct tap *tap, struct tap_watcher *watcher);

static inline bool tap_wants(const struct tap *tap, enum event_kind kind) {
  return __builtin_expect((tap->kinds >> kind) & 1, 0);
}

/* Numbers and dates the event, and tells those who want its kind. errno is kept. */
void tap_emit(struct tap *tap, struct event *event);

/* The same for one watcher alone, who has just come: of what was there before. */
void tap_tell(struct tap *tap, struct tap_watcher *watcher, struct event *event);
