/* server/control/taps.c — the command events: what happens, as a stream to one client of the control socket.
 *
 * What the filter wants goes into a queue, in the middle of whatever happens, and out of it as JSON
 * in the next turn of the loop, as fast as the client reads. A client that does not read costs
 * events, which the queue counts, and nothing else. Telling takes a bounded share of the processor
 * time that the server uses: one that is busy goes on serving, and drops events. */
#include "base/event_queue.h"
#include "base/heap.h"
#include "base/tap.h"
#include "base/version.h"
#include "base/worker.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/control/commands.h"
#include "server/control/event_filter.h"
#include "server/control/event_json.h"
#include "server/server_state.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
  QUEUE_BYTES = 2 * 1024 * 1024,
  EVENTS_PER_LOOK = 16, /* at the clock */
  /* Processor time for telling: so much in each step, and a share of what all else used since the
   * one before. What is left over is kept, up to a bound. */
  STEP_NS = 20 * 1000,
  SHARE = 16,
  CREDIT_NS_MAX = 2 * 1000 * 1000,
  FORMAT = 1, /* of the lines; another one when an old client would misread them */
};

/* One stream. */
struct watch {
  struct tap_watcher watcher;
  struct control_client *client;
  struct net_loop *loop;
  struct tap *tap;
  struct event_filter filter;
  struct event_queue queue;
  struct net_timer *timer; /* runs while there is something to tell; NULL: nothing is */
  int64_t credit_ns;       /* of processor time; negative after a step that took too long */
  int64_t used_ns;         /* by this thread, when the last step ended */
  char line[EVENT_JSON_BYTES_MAX];
};

static uint64_t taps_now_ns(clockid_t clock) {
  struct timespec now = {0};
  (void)clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t thread_ns(void) {
  return (int64_t)taps_now_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* --- Telling --------------------------------------------------------------------------------- */

static void taps_on_fire(void *owner);

/* Sees to it that taps_on_fire() comes, a millisecond or two from now: what happens until then leaves
 * in one write. */
static void wake_later(struct watch *watch) {
  if (!watch->timer) watch->timer = net_timer_open(watch->loop, 1, 0, taps_on_fire, watch);
}

/* While there is none, taps_on_room() will come. */
static bool has_room(const struct watch *watch) {
  return control_queue_bytes(watch->client) <= CONTROL_QUEUE_BYTES_HIGH;
}

/* Tells what is in the queue, for so long at most. By the clock on the wall, which is read in no
 * time, unlike the thread's own. */
static void taps_tell_some(struct watch *watch, int64_t time_ns) {
  const int64_t until_ns = (int64_t)taps_now_ns(CLOCK_MONOTONIC) + time_ns;
  const struct event *event = NULL;
  for (unsigned count = 1; has_room(watch) && (event = event_queue_first(&watch->queue)); count++) {
    const struct event_json how = {.exact = watch->filter.exact, .worker = watch->filter.worker};
    size_t size = event_json_render(event, &how, watch->line);
    control_put_text(watch->client, watch->line, size - 1);
    event_queue_take(&watch->queue);
    if (count % EVENTS_PER_LOOK == 0 && (int64_t)taps_now_ns(CLOCK_MONOTONIC) > until_ns) return;
  }
}

static void taps_on_fire(void *owner) {
  struct watch *watch = owner;
  int64_t begun_ns = thread_ns();
  net_timer_close(watch->timer);
  watch->timer = NULL;
  watch->credit_ns += (begun_ns - watch->used_ns) / SHARE + STEP_NS;
  if (watch->credit_ns > CREDIT_NS_MAX) watch->credit_ns = CREDIT_NS_MAX;
  if (watch->credit_ns > 0) taps_tell_some(watch, watch->credit_ns);
  net_loop_flush(watch->loop);
  watch->used_ns = thread_ns();
  watch->credit_ns -= watch->used_ns - begun_ns;
  if (has_room(watch) && !event_queue_empty(&watch->queue)) wake_later(watch);
}

static void taps_on_room(void *state) {
  struct watch *watch = state;
  if (!event_queue_empty(&watch->queue)) wake_later(watch);
}

static void taps_on_event(struct tap_watcher *watcher, const struct event *event) {
  struct watch *watch = LIST_ELEMENT(watcher, struct watch, watcher);
  if (!event_filter_wants(&watch->filter, event)) return;
  if (!event_queue_put(&watch->queue, event, watch->filter.bytes_max)) watch->tap->dropped++;
  if (has_room(watch)) wake_later(watch);
}

/* --- Beginning and ending -------------------------------------------------------------------- */

/* When it is the server that ends: why is what a watcher wants to know most. */
static void tell_last(struct watch *watch) {
  while (control_is_open(watch->client) && has_room(watch) && !event_queue_empty(&watch->queue)) {
    taps_tell_some(watch, CREDIT_NS_MAX);
  }
  net_loop_flush(watch->loop);
}

static void end_watch(void *state) {
  struct watch *watch = state;
  tap_remove(watch->tap, &watch->watcher);
  tell_last(watch);
  if (watch->timer) net_timer_close(watch->timer);
  event_filter_deinit(&watch->filter);
  event_queue_deinit(&watch->queue);
  free(watch);
  heap_trim(); /* what waited was many small pieces */
}

/* NULL when memory is out. */
static struct watch *watch_new(struct control_client *client) {
  struct watch *watch = malloc(sizeof *watch);
  if (!watch) return NULL;
  watch->client = client;
  watch->loop = client->control->loop;
  watch->tap = net_loop_tap(watch->loop);
  watch->timer = NULL;
  watch->credit_ns = 0;
  watch->used_ns = thread_ns();
  watch->watcher = (struct tap_watcher){.on_event = taps_on_event};
  list_init(&watch->watcher.link);
  event_filter_init(&watch->filter);
  if (client->control->worker) watch->filter.worker = client->control->worker->number;
  event_queue_init(&watch->queue, QUEUE_BYTES);
  return watch;
}

static bool read_filters(struct watch *watch, const struct control_call *call) {
  char error[FILTER_ERROR_BYTES_MAX];
  for (size_t i = 0; i < call->word_count; i++) {
    if (event_filter_read(&watch->filter, call->words[i].text, error)) continue;
    control_fail(call->client, "%s", error);
    return false;
  }
  return true;
}

struct naming {
  struct watch *watch;
  const char *script;
};

static void tell_listener(void *context, const char *name) {
  const struct naming *naming = context;
  struct event event = {.kind = EVENT_LISTEN, .source = EVENT_KERNEL, .script = naming->script};
  event.of.listen.address = name;
  tap_tell(naming->watch->tap, &naming->watch->watcher, &event);
}

/* What was there before, so that what comes makes sense. */
static void taps_tell_script(struct watch *watch, struct script *script) {
  struct naming naming = {.watch = watch, .script = script_conn_group(script, 0)->script};
  struct conn_group *group;
  listen_set_each(&script->listeners, tell_listener, &naming);
  for (size_t i = 0; (group = script_conn_group(script, i)); i++) {
    struct conn *conn = NULL;
    while ((conn = conn_group_next(group, conn))) {
      if (!conn_is_closing(conn)) conn_tell_open(conn, &watch->watcher);
    }
  }
}

/* The two clocks at one moment: what events say is on the first, what people read on the second. */
static json_t *taps_describe(void) {
  uint64_t unix_ns = taps_now_ns(CLOCK_REALTIME);
  return json_pack("{s:i, s:s, s:I, s:I, s:I}", "format", FORMAT, "version", MOONPORT_VERSION,
                   "pid", (json_int_t)getpid(), "time_ns", (json_int_t)taps_now_ns(CLOCK_MONOTONIC),
                   "unix_ns", (json_int_t)unix_ns);
}

void control_events(const struct control_call *call) {
  if (!control_admit_stream(call->client)) return;
  struct watch *watch = watch_new(call->client);
  if (!watch) {
    control_fail(call->client, "not enough memory");
    return;
  }
  if (!read_filters(watch, call)) {
    end_watch(watch);
    return;
  }
  const struct control_job job = {.on_room = taps_on_room, .end = end_watch, .state = watch};
  const struct server *server = call->client->control->server;
  watch->watcher.kinds = event_filter_kinds(&watch->filter);
  watch->watcher.bytes_max = watch->filter.bytes_max;
  control_ok_with(call->client, taps_describe());
  control_begin(call->client, &job);
  tap_add(watch->tap, &watch->watcher);
  for (size_t i = 0; i < server->script_count; i++) {
    taps_tell_script(watch, server->scripts[i]);
  }
  listener_tell_shut(watch->loop);
}
