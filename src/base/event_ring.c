/* base/event_ring.c — the events that one listener has not yet taken, bounded — does not know who.
 *
 * A record is a size, the event, its texts and its bytes, in one piece, so that an event can be
 * read where it lies. One that does not fit before the end of the memory begins at its start; a
 * size of 0 marks the rest as unused. */
#include "base/event_ring.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct record {
  size_t size; /* of the whole record; 0: the next one is at the start of the memory */
  struct event event;
};

enum { RECORD_ALIGN = alignof(struct record) };

struct event_ring {
  char *memory;
  size_t capacity;
  size_t head; /* where the oldest record begins */
  size_t tail; /* where the next one will */
  size_t used; /* bytes between them, what was skipped at the end included */
  uint64_t dropped_total;
  uint64_t dropped; /* since the last record; told after it */
  struct event gap; /* tells of them */
};

struct event_ring *event_ring_new(size_t size) {
  if (size < EVENT_RING_BYTES_MIN) size = EVENT_RING_BYTES_MIN;
  size -= size % RECORD_ALIGN;
  struct event_ring *ring = calloc(1, sizeof *ring);
  if (!ring) return NULL;
  ring->memory = malloc(size);
  ring->capacity = size;
  if (ring->memory) return ring;
  free(ring);
  return NULL;
}

void event_ring_free(struct event_ring *ring) {
  if (!ring) return;
  free(ring->memory);
  free(ring);
}

static size_t text_size(const char *text) {
  return text ? strnlen(text, EVENT_TEXT_BYTES_MAX) + 1 : 0;
}

static size_t record_size(const struct event *event, size_t kept) {
  size_t size = sizeof(struct record) + text_size(event->script) + kept;
  for (const struct event_field *field = event_kinds[event->kind].fields; field->name; field++) {
    if (field->type == EVENT_TEXT) size += text_size(event_text(event, field));
  }
  return (size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* A place for `size` bytes in one piece, or NULL. */
static struct record *event_ring_reserve(struct event_ring *ring, size_t size) {
  if (ring->used == 0) ring->head = ring->tail = 0;
  size_t to_end = ring->capacity - ring->tail;
  size_t skipped = size > to_end ? to_end : 0;
  if (size + skipped > ring->capacity - ring->used) return NULL;
  if (skipped > 0) {
    memset(ring->memory + ring->tail, 0, sizeof(size_t)); /* sizes are multiples of its alignment */
    ring->used += skipped;
    ring->tail = 0;
  }
  struct record *record = (struct record *)(void *)(ring->memory + ring->tail);
  record->size = size;
  ring->tail = ring->tail + size < ring->capacity ? ring->tail + size : 0;
  ring->used += size;
  return record;
}

/* Copies a text behind what is there; *end moves. */
static const char *event_ring_keep_text(char **end, const char *text) {
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
  record->event.script = event_ring_keep_text(&end, event->script);
  for (const struct event_field *field = event_kinds[event->kind].fields; field->name; field++) {
    if (field->type != EVENT_TEXT) continue;
    const char *copy = event_ring_keep_text(&end, event_text(event, field));
    memcpy((char *)&record->event + field->offset, &copy, sizeof copy);
  }
  if (kept > 0) memcpy(end, event->bytes, kept);
  record->event.bytes = end;
  record->event.kept = kept;
}

static void drop(struct event_ring *ring, const struct event *event) {
  ring->dropped++;
  ring->dropped_total++;
  ring->gap.sequence = event->sequence;
  ring->gap.time_ns = event->time_ns;
}

/* Lays the note of what is missing where it is missing. False while there is no room for it. */
static bool note_gap(struct event_ring *ring) {
  if (ring->dropped == 0) return true;
  ring->gap.kind = EVENT_DROPPED;
  ring->gap.of.dropped.count = ring->dropped;
  struct record *record = event_ring_reserve(ring, record_size(&ring->gap, 0));
  if (!record) return false;
  fill(record, &ring->gap, 0);
  ring->dropped = 0;
  return true;
}

/* Lays the event, and before it the note of what is missing: both or neither. After a drop it waits
 * for half of the room, so that what is missing is missing in one piece. */
static bool put(struct event_ring *ring, const struct event *event, size_t kept) {
  if (ring->dropped > 0 && ring->used > ring->capacity / 2) return false;
  const struct event_ring before = *ring;
  struct record *record =
      note_gap(ring) ? event_ring_reserve(ring, record_size(event, kept)) : NULL;
  if (!record) {
    *ring = before;
    return false;
  }
  fill(record, event, kept);
  return true;
}

void event_ring_put(struct event_ring *ring, const struct event *event, size_t bytes_max) {
  size_t kept = event->kept < bytes_max ? event->kept : bytes_max;
  if (kept > EVENT_BYTES_MAX) kept = EVENT_BYTES_MAX;
  if (!put(ring, event, kept)) drop(ring, event);
}

/* The record at the head, what was skipped before it left behind. */
static struct record *first_record(struct event_ring *ring) {
  const struct record *record = (const struct record *)(void *)(ring->memory + ring->head);
  if (record->size == 0) {
    ring->used -= ring->capacity - ring->head;
    ring->head = 0;
  }
  return (struct record *)(void *)(ring->memory + ring->head);
}

const struct event *event_ring_first(struct event_ring *ring) {
  if (ring->used == 0) note_gap(ring);
  return ring->used == 0 ? NULL : &first_record(ring)->event;
}

void event_ring_take(struct event_ring *ring) {
  size_t size = first_record(ring)->size;
  ring->head += size;
  ring->used -= size;
  if (ring->head == ring->capacity) ring->head = 0;
}

bool event_ring_empty(const struct event_ring *ring) {
  return ring->used == 0 && ring->dropped == 0;
}

uint64_t event_ring_dropped(const struct event_ring *ring) {
  return ring->dropped_total;
}
