/* event_queue_test.c — the queue and the tap: order, bounds, and what is dropped is told. */
#include "check.h"

#include "base/event_queue.h"
#include "base/tap.h"

#include <stdlib.h>

static struct event data_event(uint64_t sequence, const char *bytes, size_t size) {
  struct event event = {.kind = EVENT_DATA, .sequence = sequence, .bytes = bytes};
  event.kept = event.size = size;
  event.script = "test.lua";
  event.of.data.to = "script";
  return event;
}

static void gives_back_what_it_was_given(void) {
  struct event_queue queue;
  event_queue_init(&queue, 0);
  char bytes[] = "hello";
  char script[] = "chat.lua";
  struct event event = data_event(1, bytes, 5);
  event.script = script;
  event_queue_put(&queue, &event, 3);
  memset(bytes, 'x', 5); /* the emitter's memory is its own again */
  memset(script, 'x', 5);
  const struct event *first = event_queue_first(&queue);
  CHECK(first != NULL);
  CHECK_NUMBER(first->sequence, 1);
  CHECK_NUMBER(first->size, 5);
  CHECK_NUMBER(first->kept, 3);
  CHECK(memcmp(first->bytes, "hel", 3) == 0);
  CHECK_TEXT(first->script, "chat.lua");
  CHECK_TEXT(first->of.data.to, "script");
  event_queue_take(&queue);
  CHECK(event_queue_empty(&queue));
  CHECK(event_queue_first(&queue) == NULL);
  event_queue_deinit(&queue);
}

/* Sizes of all kinds, so that records end and begin everywhere in the memory. */
static void keeps_the_order_round_and_round(void) {
  struct event_queue queue;
  event_queue_init(&queue, 0);
  char *bytes = malloc(EVENT_BYTES_MAX);
  uint64_t in = 0;
  uint64_t out = 0;
  memset(bytes, 'b', EVENT_BYTES_MAX);
  for (int turn = 0; turn < 3000; turn++) {
    for (int i = 0; i < turn % 5; i++) {
      in++;
      struct event event = data_event(in, bytes, (size_t)(in * 7919 % 20011));
      event_queue_put(&queue, &event, SIZE_MAX);
    }
    for (int i = 0; i < turn % 5; i++) {
      const struct event *event = event_queue_first(&queue);
      if (event == NULL) {
        CHECK(event != NULL);
        break;
      }
      CHECK_NUMBER(event->sequence, ++out);
      CHECK_NUMBER(event->kept, event->sequence * 7919 % 20011);
      CHECK(event->kept == 0 || event->bytes[event->kept - 1] == 'b');
      event_queue_take(&queue);
    }
  }
  CHECK_NUMBER(queue.gap.of.dropped.count, 0);
  CHECK_NUMBER(in, out);
  free(bytes);
  event_queue_deinit(&queue);
}

static void counts_what_it_drops_where_it_is_missing(void) {
  struct event_queue queue;
  event_queue_init(&queue, 0);
  char *bytes = calloc(1, EVENT_BYTES_MAX);
  uint64_t in = 0;
  for (int i = 0; i < 100; i++) {
    struct event event = data_event(++in, bytes, EVENT_BYTES_MAX);
    event_queue_put(&queue, &event, SIZE_MAX);
  }
  uint64_t dropped = queue.gap.of.dropped.count;
  CHECK(dropped > 90 && dropped < 100);
  uint64_t kept = 0;
  while (kept + dropped < 100 && event_queue_first(&queue) != NULL) {
    CHECK_NUMBER(event_queue_first(&queue)->sequence, ++kept);
    event_queue_take(&queue);
  }
  /* The note comes by itself when all is taken, and before what follows. */
  struct event event = data_event(++in, bytes, 1);
  event_queue_put(&queue, &event, SIZE_MAX);
  const struct event *note = event_queue_first(&queue);
  CHECK_NUMBER(note->kind, EVENT_DROPPED);
  CHECK_NUMBER(note->of.dropped.count, dropped);
  CHECK_NUMBER(note->sequence, 100);
  event_queue_take(&queue);
  CHECK_NUMBER(event_queue_first(&queue)->sequence, 101);
  event_queue_take(&queue);
  CHECK(event_queue_empty(&queue));
  free(bytes);
  event_queue_deinit(&queue);
}

static void tells_of_the_last_ones_too(void) {
  struct event_queue queue;
  event_queue_init(&queue, 0);
  char *bytes = calloc(1, EVENT_BYTES_MAX);
  for (uint64_t i = 1; i <= 10; i++) {
    struct event event = data_event(i, bytes, EVENT_BYTES_MAX);
    event_queue_put(&queue, &event, SIZE_MAX);
  }
  const struct event *event = NULL;
  uint64_t told = 0;
  while ((event = event_queue_first(&queue)) != NULL) {
    told += event->kind == EVENT_DROPPED ? event->of.dropped.count : 1;
    event_queue_take(&queue);
  }
  CHECK_NUMBER(told, 10);
  free(bytes);
  event_queue_deinit(&queue);
}

static void cuts_a_long_text(void) {
  struct event_queue queue;
  event_queue_init(&queue, 0);
  char *text = malloc(EVENT_BYTES_MAX);
  memset(text, 't', EVENT_BYTES_MAX - 1);
  text[EVENT_BYTES_MAX - 1] = '\0';
  struct event event = {.kind = EVENT_ERROR};
  event.of.error.message = text;
  event_queue_put(&queue, &event, 0);
  CHECK_NUMBER(strlen(event_queue_first(&queue)->of.error.message), EVENT_TEXT_BYTES_MAX);
  free(text);
  event_queue_deinit(&queue);
}

struct counting {
  struct tap_watcher watcher;
  int count;
  uint64_t sequence;
  uint64_t time_ns;
};

static void count(struct tap_watcher *watcher, const struct event *event) {
  struct counting *counting = LIST_ELEMENT(watcher, struct counting, watcher);
  counting->count++;
  CHECK(event->sequence > counting->sequence);
  CHECK(event->time_ns >= counting->time_ns);
  counting->sequence = event->sequence;
  counting->time_ns = event->time_ns;
}

static void emit(struct tap *tap, enum event_kind kind) {
  if (tap_wants(tap, kind)) tap_emit(tap, &(struct event){.kind = kind});
}

static void tells_each_what_it_wants(void) {
  struct tap tap;
  struct counting all = {.watcher = {.kinds = UINT64_MAX, .bytes_max = 5, .on_event = count}};
  struct counting ends = {.watcher = {.kinds = UINT64_C(1) << EVENT_EOF, .on_event = count}};
  tap_init(&tap);
  emit(&tap, EVENT_EOF);
  CHECK_NUMBER(tap.sequence, 0);
  tap_add(&tap, &ends.watcher);
  emit(&tap, EVENT_DATA);
  emit(&tap, EVENT_EOF);
  tap_add(&tap, &all.watcher);
  CHECK_NUMBER(tap.bytes_max, 5);
  emit(&tap, EVENT_DATA);
  emit(&tap, EVENT_EOF);
  CHECK_NUMBER(ends.count, 2);
  CHECK_NUMBER(all.count, 2);
  tap_remove(&tap, &all.watcher);
  tap_remove(&tap, &all.watcher);
  tap_remove(&tap, &ends.watcher);
  CHECK_NUMBER(tap.kinds, 0);
  CHECK_NUMBER(tap.bytes_max, 0);
}

static const struct check_case cases[] = {
    {"an event comes out as it went in, though its memory is gone", gives_back_what_it_was_given},
    {"events keep their order wherever they lie", keeps_the_order_round_and_round},
    {"what finds no room is counted where it is missing", counts_what_it_drops_where_it_is_missing},
    {"what was dropped last is told without another event", tells_of_the_last_ones_too},
    {"a long text is cut", cuts_a_long_text},
    {"each watcher is told what it wants, and nothing is told to nobody", tells_each_what_it_wants},
};
CHECK_MAIN(cases)
