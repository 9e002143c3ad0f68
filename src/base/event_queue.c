/* base/event_queue.c — the events that one listener has not yet taken, bounded — does not know who. */
#include "base/event_queue.h"

#include <stdlib.h>
#include <string.h>

/* In one piece of memory: its texts and its bytes follow. */
struct record {
  struct list link;
  size_t size;
  struct event event;
};

void event_queue_init(struct event_queue *queue, size_t bytes_max) {
  *queue = (struct event_queue){.bytes_max = bytes_max, .gap.kind = EVENT_DROPPED};
  if (bytes_max < EVENT_QUEUE_BYTES_MIN) queue->bytes_max = EVENT_QUEUE_BYTES_MIN;
  list_init(&queue->records);
}

void event_queue_deinit(struct event_queue *queue) {
  while (!list_empty(&queue->records)) event_queue_take(queue);
}

static size_t text_size(const char *text) {
  return text ? strnlen(text, EVENT_TEXT_BYTES_MAX) + 1 : 0;
}

static size_t record_size(const struct event *event, size_t kept) {
  size_t size = sizeof(struct record) + text_size(event->script) + kept;
  for (const struct event_field *field = event_kinds[event->kind].fields; field->name; field++) {
    if (field->type == EVENT_TEXT) size += text_size(event_text(event, field));
  }
  return size;
}

/* Copies a text behind what is there; *end moves. */
static const char *event_queue_keep_text(char **end, const char *text) {
  if (!text) return NULL;
  size_t size = text_size(text) - 1;
  char *copy = *end;
  memcpy(copy, text, size);
  copy[size] = '\0';
  *end = copy + size + 1;
  return copy;
}

static void fill(struct record *record, const struct event *event, size_t kept) {
  char *end = (char *)(record + 1);
  record->event = *event;
  record->event.script = event_queue_keep_text(&end, event->script);
  for (const struct event_field *field = event_kinds[event->kind].fields; field->name; field++) {
    if (field->type != EVENT_TEXT) continue;
    const char *copy = event_queue_keep_text(&end, event_text(event, field));
    memcpy((char *)&record->event + field->offset, &copy, sizeof copy);
  }
  if (kept > 0) memcpy(end, event->bytes, kept);
  record->event.bytes = end;
  record->event.kept = kept;
}

/* False where there is no room, or no memory. */
static bool event_queue_append(struct event_queue *queue, const struct event *event, size_t kept) {
  size_t size = record_size(event, kept);
  struct record *record = size <= queue->bytes_max - queue->bytes ? malloc(size) : NULL;
  if (!record) return false;
  record->size = size;
  fill(record, event, kept);
  list_append(&queue->records, &record->link);
  queue->bytes += size;
  return true;
}

/* Lays the note of what is missing where it is missing. False while there is no room for it. */
static bool note_gap(struct event_queue *queue) {
  if (queue->gap.of.dropped.count == 0) return true;
  if (!event_queue_append(queue, &queue->gap, 0)) return false;
  queue->gap.of.dropped.count = 0;
  return true;
}

/* After a drop it waits for half of the room, so that what is missing is missing in one piece. */
static bool put(struct event_queue *queue, const struct event *event, size_t kept) {
  bool has_gap = queue->gap.of.dropped.count > 0;
  if (has_gap && queue->bytes > queue->bytes_max / 2) return false;
  return note_gap(queue) && event_queue_append(queue, event, kept);
}

bool event_queue_put(struct event_queue *queue, const struct event *event, size_t bytes_max) {
  size_t kept = event->kept < bytes_max ? event->kept : bytes_max;
  if (kept > EVENT_BYTES_MAX) kept = EVENT_BYTES_MAX;
  if (put(queue, event, kept)) return true;
  queue->gap.of.dropped.count++;
  queue->gap.sequence = event->sequence;
  queue->gap.time_ns = event->time_ns;
  return false;
}

const struct event *event_queue_first(struct event_queue *queue) {
  if (list_empty(&queue->records)) note_gap(queue);
  if (list_empty(&queue->records)) return NULL;
  return &LIST_ELEMENT(queue->records.next, struct record, link)->event;
}

void event_queue_take(struct event_queue *queue) {
  struct record *record = LIST_ELEMENT(list_shift(&queue->records), struct record, link);
  queue->bytes -= record->size;
  free(record);
}

bool event_queue_empty(const struct event_queue *queue) {
  return list_empty(&queue->records) && queue->gap.of.dropped.count == 0;
}
