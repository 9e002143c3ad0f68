/* base/event_queue.h — the events that one listener has not yet taken, bounded — does not know who.
 *
 * Whole events go in, with copies of their texts and of so many of their bytes, and come out in
 * order. One that finds no room is dropped and counted; the count comes out where it is missing. */
#pragma once

#include "base/event.h"
#include "base/list.h"

#include <stdbool.h>

struct event_queue {
  struct list records; /* oldest first */
  size_t bytes_max;
  size_t bytes;
  struct event gap; /* tells of those that were dropped since the last record */
};

/* For so many bytes of events, at least EVENT_QUEUE_BYTES_MIN, so that the largest one fits. */
void event_queue_init(struct event_queue *queue, size_t bytes_max);
void event_queue_deinit(struct event_queue *queue);

enum { EVENT_QUEUE_BYTES_MIN = 4 * EVENT_BYTES_MAX };

/* Keeps at most `bytes_max` of the event's bytes. A text longer than EVENT_TEXT_BYTES_MAX is cut. False: it
 * was dropped. */
bool event_queue_put(struct event_queue *queue, const struct event *event, size_t bytes_max);
enum { EVENT_TEXT_BYTES_MAX = 4096 };

/* The oldest event, or NULL; an EVENT_DROPPED where some are missing. It and what it points to is
 * the queue's, until event_queue_take(). */
const struct event *event_queue_first(struct event_queue *queue);
/* Forgets the one that event_queue_first() returned. */
void event_queue_take(struct event_queue *queue);
bool event_queue_empty(const struct event_queue *queue);
