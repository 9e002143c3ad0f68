/* server/control/stream.c — the command events where several workers are one server: their streams as one.
 *
 * Lines of different workers come in the order of their time, as far as can be had: each waits a few
 * milliseconds for earlier ones of the others. A worker that ends is told, and the one that takes its
 * place is asked, too. What the client does not take stays with the workers, which count what they
 * drop. */
#include "base/event.h"
#include "base/grow.h"
#include "base/worker.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/control/ask.h"
#include "server/control/event_json.h"
#include "server/control/front.h"
#include "server/control/merge.h"
#include "server/control/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ORDER_NS = 20 * 1000 * 1000, /* so long a line waits for earlier ones */
  ORDER_MS = 2,                /* how often it is looked */
  LOOK_MS = 100,               /* for workers that come */
  TIME_BYTES_MAX = 64,         /* in which a line tells its time */
  FIELD_BYTES = 10,            /* "time_ns": */
  LINE_BYTES = 512,            /* room for what waits, at first */
};

/* Lines of one worker that were not told yet, each with its newline. */
struct source_lines {
  char *bytes;
  size_t start, size; /* from there on, so many */
  size_t capacity;
  bool lives; /* more may come */
};

struct stream {
  struct control_client *client;
  struct control *control;
  struct merge *merge; /* of the first answers; NULL: the stream has begun */
  struct ask *ask;
  struct net_timer *order; /* runs while lines wait */
  struct net_timer *look;
  unsigned unanswered; /* of the first answers */
  struct source_lines sources[WORKERS_MAX];
};

static void stream_tell(struct stream *stream);

/* --- Lines in order -------------------------------------------------------------------------- */

static uint64_t time_of_line(const char *line, size_t size) {
  static const char field[FIELD_BYTES] = "\"time_ns\":";
  const char *at = memmem(line, size < TIME_BYTES_MAX ? size : TIME_BYTES_MAX, field, FIELD_BYTES);
  return at ? strtoull(at + FIELD_BYTES, NULL, 10) : 0;
}

static uint64_t first_time(const struct source_lines *source) {
  return time_of_line(source->bytes + source->start, source->size);
}

static void take_first(struct stream *stream, struct source_lines *source) {
  const char *line = source->bytes + source->start;
  const char *newline = memchr(line, '\n', source->size);
  const size_t size = (size_t)(newline - line);
  control_put_text(stream->client, line, size);
  source->start += size + 1;
  source->size -= size + 1;
  if (source->size > 0) return;
  free(source->bytes);
  source->bytes = NULL;
  source->start = source->capacity = 0;
}

/* The one whose first line is the oldest; NULL: there is none. *all: everybody has one who lives. */
static struct source_lines *oldest(struct stream *stream, uint64_t *time_ns, bool *all) {
  struct source_lines *found = NULL;
  *all = true;
  for (unsigned i = 0; i < stream->control->worker->count; i++) {
    struct source_lines *source = &stream->sources[i];
    if (source->size == 0) {
      if (source->lives) *all = false;
      continue;
    }
    const uint64_t its_ns = first_time(source);
    if (found && its_ns >= *time_ns) continue;
    found = source;
    *time_ns = its_ns;
  }
  return found;
}

static void stream_on_order(void *context) {
  struct stream *stream = context;
  struct net_loop *loop = stream->control->loop;
  net_timer_close(stream->order);
  stream->order = NULL;
  stream_tell(stream);
  net_loop_flush(loop);
}

static void stream_tell(struct stream *stream) {
  struct source_lines *source = NULL;
  uint64_t time_ns = 0;
  bool all = false;
  const uint64_t now_ns = net_loop_now_ns(stream->control->loop);
  if (stream->merge) return; /* its head is to be told first */
  while ((source = oldest(stream, &time_ns, &all))) {
    if (!all && time_ns + ORDER_NS > now_ns) break;
    if (!control_has_room(stream->client)) {
      if (stream->ask) ask_hold(stream->ask, true);
      return;
    }
    take_first(stream, source);
  }
  if (!source || stream->order) return;
  stream->order = net_timer_open(stream->control->loop, ORDER_MS, 0, stream_on_order, stream);
}

static bool keep_line(struct source_lines *source, const char *line, size_t size) {
  if (source->start > 0 && source->start + source->size + size + 1 > source->capacity) {
    memmove(source->bytes, source->bytes + source->start, source->size);
    source->start = 0;
  }
  const size_t wanted = source->start + source->size + size + 1;
  if (!grow_bytes(&source->bytes, &source->capacity, wanted, LINE_BYTES)) return false;
  memcpy(source->bytes + source->start + source->size, line, size);
  source->size += size;
  source->bytes[source->start + source->size++] = '\n';
  return true;
}

/* --- Workers come and go --------------------------------------------------------------------- */

static void tell_worker(struct stream *stream, unsigned worker, const char *state) {
  char *line = malloc(EVENT_JSON_BYTES_MAX);
  const struct event event = {.kind = EVENT_WORKER,
                              .source = EVENT_OBSERVED,
                              .time_ns = net_loop_now_ns(stream->control->loop),
                              .of.worker.state = state};
  const struct event_json how = {.worker = worker};
  if (!line) return;
  const size_t size = event_json_render(&event, &how, line);
  (void)keep_line(&stream->sources[worker - 1], line, size - 1);
  free(line);
  stream_tell(stream);
}

static void stream_on_look(void *context) {
  struct stream *stream = context;
  struct net_loop *loop = stream->control->loop;
  for (unsigned number = 1; number <= stream->control->worker->count; number++) {
    struct source_lines *source = &stream->sources[number - 1];
    if (stream->merge || source->lives) continue;
    source->lives = ask_again(stream->ask, number);
  }
  net_loop_flush(loop);
}

/* --- Beginning and ending -------------------------------------------------------------------- */

static void stream_end(void *state) {
  struct stream *stream = state;
  uint64_t time_ns = 0;
  bool all = false;
  struct source_lines *source = NULL;
  if (stream->ask) ask_abandon(stream->ask);
  while (!stream->merge && control_is_open(stream->client) && control_has_room(stream->client) &&
         (source = oldest(stream, &time_ns, &all))) {
    take_first(stream, source);
  }
  net_loop_flush(stream->control->loop);
  if (stream->order) net_timer_close(stream->order);
  if (stream->look) net_timer_close(stream->look);
  if (stream->merge) merge_free(stream->merge);
  for (unsigned i = 0; i < WORKERS_MAX; i++) free(stream->sources[i].bytes);
  free(stream);
}

/* All have answered, or will not. */
static void stream_begin(struct stream *stream) {
  struct control_client *client = stream->client;
  const struct worker *worker = stream->control->worker;
  json_t *last = merge_last(stream->merge);
  const bool goes_on = json_is_true(json_object_get(last, "ok"));
  if (goes_on) {
    json_object_set_new(last, "pid", json_integer((json_int_t)worker->master));
    json_object_set_new(last, "workers", json_integer((json_int_t)worker->count));
  }
  control_put(client, last);
  if (!goes_on) {
    control_end(client);
    return;
  }
  merge_free(stream->merge);
  stream->merge = NULL;
  control_become_stream(client);
  for (unsigned number = 1; number <= worker->count; number++) {
    if (!stream->sources[number - 1].lives) tell_worker(stream, number, "silent");
  }
  stream_tell(stream);
}

static void stream_on_line(void *context, unsigned worker, const char *line, size_t size) {
  struct stream *stream = context;
  if (!keep_line(&stream->sources[worker - 1], line, size)) return; /* as a line that was dropped */
  stream_tell(stream);
}

static void stream_on_last(void *context, unsigned worker, json_t *last, const char *why) {
  struct stream *stream = context;
  struct source_lines *source = &stream->sources[worker - 1];
  const bool lived = source->lives;
  source->lives = json_is_true(json_object_get(last, "ok"));
  if (stream->merge) {
    (void)merge_add_last(stream->merge, worker, last, why);
    if (--stream->unanswered == 0) stream_begin(stream);
    return;
  }
  json_decref(last);
  if (source->lives) tell_worker(stream, worker, "serving");
  if (!source->lives && lived) tell_worker(stream, worker, "ended");
}

static void stream_on_done(void *context) {
  (void)context; /* of answers that end */
}

static void stream_on_room(void *state) {
  struct stream *stream = state;
  if (stream->merge || !control_has_room(stream->client)) return;
  ask_hold(stream->ask, false);
  stream_tell(stream);
}

void front_stream(const struct control_call *call) {
  static const struct ask_events events = {
      .on_line = stream_on_line, .on_last = stream_on_last, .on_done = stream_on_done};
  struct control_client *client = call->client;
  struct stream *stream = calloc(1, sizeof *stream);
  char *line = front_line(call, call->name, 0);
  bool ok = stream && line;
  if (stream) {
    stream->client = client;
    stream->control = client->control;
  }
  if (ok) {
    stream->unanswered = client->control->worker->count;
    stream->merge = merge_new(call->name);
    stream->look = net_timer_open(client->control->loop, LOOK_MS, LOOK_MS, stream_on_look, stream);
    ok = stream->merge && stream->look;
  }
  if (ok) {
    stream->ask = ask_begin(client->control, ask_everybody(client->control), line, strlen(line),
                            true, &events, stream);
  }
  free(line);
  if (!ok || !stream->ask) {
    if (stream) stream_end(stream);
    control_fail(client, "not enough memory");
    return;
  }
  const struct control_job job = {
      .on_room = stream_on_room, .end = stream_end, .state = stream, .answers_later = true};
  control_begin(client, &job);
}
