/* server/control/ask.c — one command that several workers are asked, and what each answers. */
#include "server/control/ask.h"

#include "base/grow.h"
#include "base/platform.h"
#include "base/worker.h"
#include "net/connect.h"
#include "net/loop.h"
#include "net/mesh.h"
#include "net/timer.h"
#include "server/control/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum {
  LOOK_MS = 100,     /* how often it is looked whether those live who are waited for */
  INPUT_BYTES = 256, /* room for what is no line yet, at first */
};

/* The way to one worker. */
struct leg {
  struct ask *ask;
  struct conn *conn; /* NULL: it has ended, or never was */
  unsigned worker;
  bool is_answered; /* its last line came, or will not */
  char *input;      /* what is no line yet */
  size_t size;
  size_t capacity;
};

struct ask {
  struct control *control;
  const struct ask_events *events;
  void *context;
  struct net_timer *timer; /* while somebody is waited for */
  char *line;
  size_t line_size;
  bool is_stream;
  bool is_held;
  bool is_told; /* somebody is told something now: it is not to be freed */
  bool is_abandoned;
  unsigned count;
  struct leg legs[WORKERS_MAX];
};

static unsigned own_number(const struct control *control) {
  return control->worker ? control->worker->number : 1;
}

uint64_t ask_everybody(const struct control *control) {
  const unsigned count = control->worker ? control->worker->count : 1;
  return count == WORKERS_MAX ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* Why a worker does not answer, as the page tells. False: nothing speaks against it. */
static bool is_silent(const struct control *control, unsigned worker, char why[ASK_WHY_BYTES]) {
  if (worker == own_number(control)) return false;
  const struct worker_slot *slot = worker_slot_of(control->worker, worker);
  const uint64_t heard = atomic_load(&slot->heard_ms), now = worker_now_ms();
  const uint64_t silent_ms = now > heard ? now - heard : 0;
  if (atomic_load(&slot->phase) == WORKER_ABSENT) {
    snprintf(why, ASK_WHY_BYTES, "worker %u does not run now", worker);
  } else if (silent_ms < ASK_SILENT_MS) {
    return false;
  } else if (atomic_load(&slot->phase) == WORKER_STARTING) {
    snprintf(why, ASK_WHY_BYTES, "worker %u does not answer (it has been starting for %.0f s)",
             worker, (double)silent_ms / 1000);
  } else {
    snprintf(why, ASK_WHY_BYTES, "worker %u does not answer (its loop has not turned for %.0f s)",
             worker, (double)silent_ms / 1000);
  }
  return true;
}

/* --- Ending ---------------------------------------------------------------------------------- */

static void leg_drop(struct leg *leg) {
  struct conn *conn = leg->conn;
  leg->conn = NULL;
  free(leg->input);
  leg->input = NULL;
  leg->size = leg->capacity = 0;
  if (!conn) return;
  conn_set_owner(conn, NULL);
  conn_reset(conn, REASON_CLOSED);
}

static void ask_free(struct ask *ask) {
  for (unsigned i = 0; i < ask->count; i++) leg_drop(&ask->legs[i]);
  if (ask->timer) net_timer_close(ask->timer);
  free(ask->line);
  free(ask);
}

void ask_abandon(struct ask *ask) {
  ask->is_abandoned = true;
  if (!ask->is_told) ask_free(ask);
}

static bool is_complete(const struct ask *ask) {
  for (unsigned i = 0; i < ask->count; i++) {
    if (!ask->legs[i].is_answered) return false;
  }
  return true;
}

/* Behind whatever told something: it may be over now. */
static void ask_settle(struct ask *ask) {
  ask->is_told = false;
  if (!ask->is_abandoned && !ask->is_stream && is_complete(ask)) {
    ask->is_told = true;
    ask->events->on_done(ask->context);
    ask->is_abandoned = true;
  }
  if (ask->is_abandoned) ask_free(ask);
}

static void leg_end(struct leg *leg, const char *why) {
  struct ask *ask = leg->ask;
  const bool is_news = ask->is_stream || !leg->is_answered;
  leg->is_answered = true;
  leg_drop(leg);
  if (is_news && !ask->is_abandoned) ask->events->on_last(ask->context, leg->worker, NULL, why);
}

static void leg_break(struct leg *leg) {
  char why[ASK_WHY_BYTES];
  snprintf(why, sizeof why, "worker %u ended before it had answered", leg->worker);
  leg_end(leg, why);
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* Every last line begins so, and no other does: client.c. */
static bool is_last(const char *line, size_t size) {
  static const char head[] = "{\"ok\":";
  return size >= sizeof head - 1 && memcmp(line, head, sizeof head - 1) == 0;
}

static void leg_take_last(struct leg *leg, const char *line, size_t size) {
  struct ask *ask = leg->ask;
  json_t *last = json_loadb(line, size, 0, NULL);
  if (!last) {
    leg_end(leg, "not enough memory");
    return;
  }
  const bool goes_on = ask->is_stream && json_is_true(json_object_get(last, "ok"));
  leg->is_answered = true;
  if (!goes_on) leg_drop(leg);
  ask->events->on_last(ask->context, leg->worker, last, NULL);
}

/* The bytes of the first lines of `input`; takes none behind the last of an answer. */
static size_t leg_take_lines(struct leg *leg, const char *input, size_t size) {
  const struct ask *ask = leg->ask;
  size_t taken = 0;
  const char *newline = NULL;
  while (!ask->is_abandoned && leg->conn && (newline = memchr(input + taken, '\n', size - taken))) {
    const char *line = input + taken;
    const size_t line_size = (size_t)(newline - line);
    taken += line_size + 1;
    if (!leg->is_answered && is_last(line, line_size)) {
      leg_take_last(leg, line, line_size);
    } else {
      ask->events->on_line(ask->context, leg->worker, line, line_size);
    }
  }
  return taken;
}

static bool leg_keep(struct leg *leg, const char *bytes, size_t size) {
  if (!grow_bytes(&leg->input, &leg->capacity, leg->size + size, INPUT_BYTES)) return false;
  if (size > 0) memcpy(leg->input + leg->size, bytes, size);
  leg->size += size;
  return true;
}

static void leg_take(struct leg *leg, const char *bytes, size_t size) {
  const char *input = bytes;
  char *whole = NULL; /* a line that came in pieces; what is told may drop the leg */
  if (leg->size > 0) {
    if (!leg_keep(leg, bytes, size)) {
      leg_end(leg, "not enough memory");
      return;
    }
    if (!memchr(bytes, '\n', size)) return;
    input = whole = leg->input;
    size = leg->size;
    leg->input = NULL;
    leg->size = leg->capacity = 0;
  }
  const size_t taken = leg_take_lines(leg, input, size);
  if (leg->conn && taken < size && !leg_keep(leg, input + taken, size - taken)) {
    leg_end(leg, "not enough memory");
  }
  free(whole);
}

/* --- Events ---------------------------------------------------------------------------------- */

static void leg_on_open(struct conn *conn) {
  (void)conn;
}

static void leg_on_data(struct conn *conn, const char *bytes, size_t size) {
  struct leg *leg = conn_owner(conn);
  if (!leg) return;
  struct ask *ask = leg->ask;
  ask->is_told = true;
  leg_take(leg, bytes, size);
  ask_settle(ask);
}

static void leg_on_gone(struct conn *conn) {
  struct leg *leg = conn_owner(conn);
  if (!leg) return;
  struct ask *ask = leg->ask;
  ask->is_told = true;
  leg_break(leg);
  ask_settle(ask);
}

static void leg_on_close(struct conn *conn, enum reason reason) {
  (void)reason;
  leg_on_gone(conn);
}

static void leg_on_drain(struct conn *conn, bool crossed) {
  (void)conn;
  (void)crossed;
}

static void leg_on_timeout(struct conn *conn, enum conn_timeout kind) {
  (void)conn;
  (void)kind;
}

static const struct conn_events leg_events = {
    .on_open = leg_on_open,
    .on_data = leg_on_data,
    .on_eof = leg_on_gone,
    .on_drain = leg_on_drain,
    .on_timeout = leg_on_timeout,
    .on_close = leg_on_close,
};

void ask_init_legs(struct control *control) {
  conn_group_init(&control->legs, control->loop, &leg_events, control);
  control->legs.queue_bytes_max = CONTROL_QUEUE_BYTES_MAX;
  control->legs.queue_high = CONTROL_QUEUE_BYTES_HIGH;
  control->legs.queue_low = CONTROL_QUEUE_BYTES_HIGH / 2;
}

/* --- Beginning ------------------------------------------------------------------------------- */

static int adopt(struct conn_group *group, int fd) {
  const struct sockaddr_un nobody = {.sun_family = AF_UNIX};
  return net_adopt(group, fd, (const struct sockaddr *)&nobody, CONN_NO_LISTENER);
}

/* Makes `fd` a client of that worker. It is taken over, also on failure. */
static int give(struct control *control, unsigned worker, int fd) {
  if (worker == own_number(control)) return adopt(&control->relayed, fd);
  int rc = mesh_send(control->mesh, worker, MESH_CONTROL, "", 0, fd);
  close(fd);
  return rc;
}

static int leg_open(struct leg *leg) {
  struct control *control = leg->ask->control;
  int fds[2];
  if (platform_socketpair(SOCK_STREAM, false, fds) < 0) {
    if (errno != EMFILE && errno != ENFILE) return uv_translate_sys_error(errno);
    net_loop_lend_spares(control->loop, 2);
    if (platform_socketpair(SOCK_STREAM, false, fds) < 0) {
      return uv_translate_sys_error(errno);
    }
  }
  int rc = give(control, leg->worker, fds[1]);
  if (rc < 0) {
    close(fds[0]);
    return rc;
  }
  rc = adopt(&control->legs, fds[0]);
  if (rc < 0) return rc;
  leg->conn = conn_group_newest(&control->legs);
  conn_set_owner(leg->conn, leg);
  rc = conn_send_begin(leg->conn);
  if (rc == 0) rc = conn_send_copied(leg->conn, leg->ask->line, leg->ask->line_size);
  return rc;
}

/* False after it was told why not. */
static bool leg_begin(struct leg *leg) {
  char why[ASK_WHY_BYTES];
  leg->is_answered = false;
  if (leg->ask->control->worker && is_silent(leg->ask->control, leg->worker, why) &&
      atomic_load(&worker_slot_of(leg->ask->control->worker, leg->worker)->phase) ==
          WORKER_ABSENT) {
    leg_end(leg, why);
    return false;
  }
  int rc = leg_open(leg);
  if (rc == 0) return true;
  snprintf(why, sizeof why, "worker %u cannot be asked now: %s", leg->worker,
           rc == UV_EAGAIN ? "it does not read what the others send" : uv_strerror(rc));
  leg_end(leg, why);
  return false;
}

/* Gives those up that show no life. */
static void ask_on_look(void *context) {
  struct ask *ask = context;
  char why[ASK_WHY_BYTES];
  ask->is_told = true;
  for (unsigned i = 0; i < ask->count && !ask->is_abandoned; i++) {
    struct leg *leg = &ask->legs[i];
    if (leg->is_answered || !ask->control->worker) continue;
    if (is_silent(ask->control, leg->worker, why)) leg_end(leg, why);
  }
  struct net_loop *loop = ask->control->loop;
  ask_settle(ask);
  net_loop_flush(loop);
}

/* In the next turn, so that who asked knows by then that it did. */
static void ask_on_begin(void *context) {
  struct ask *ask = context;
  struct net_loop *loop = ask->control->loop;
  net_timer_close(ask->timer);
  ask->timer = net_timer_open(loop, LOOK_MS, LOOK_MS, ask_on_look, ask);
  ask->is_told = true;
  for (unsigned i = 0; i < ask->count && !ask->is_abandoned; i++) (void)leg_begin(&ask->legs[i]);
  ask_settle(ask);
  net_loop_flush(loop);
}

struct ask *ask_begin(struct control *control, uint64_t workers, const char *line, size_t size,
                      bool is_stream, const struct ask_events *events, void *context) {
  struct ask *ask = calloc(1, sizeof *ask);
  if (!ask) return NULL;
  *ask = (struct ask){
      .control = control, .events = events, .context = context, .is_stream = is_stream};
  for (unsigned number = 1; number <= WORKERS_MAX; number++) {
    if (!((workers & ask_everybody(control)) >> (number - 1) & 1)) continue;
    ask->legs[ask->count++] = (struct leg){.ask = ask, .worker = number};
  }
  ask->line = malloc(size + 1);
  ask->line_size = size + 1;
  ask->timer = net_timer_open(control->loop, 0, 0, ask_on_begin, ask);
  if (!ask->line || !ask->timer) {
    ask_free(ask);
    return NULL;
  }
  memcpy(ask->line, line, size);
  ask->line[size] = '\n';
  return ask;
}

bool ask_again(struct ask *ask, unsigned worker) {
  for (unsigned i = 0; i < ask->count; i++) {
    struct leg *leg = &ask->legs[i];
    if (leg->worker != worker || leg->conn) continue;
    const struct worker_slot *slot = worker_slot_of(ask->control->worker, worker);
    char why[ASK_WHY_BYTES];
    if (atomic_load(&slot->phase) < WORKER_SERVING) return false;
    if (is_silent(ask->control, worker, why)) return false;
    if (leg_open(leg) == 0) {
      leg->is_answered = false;
      if (ask->is_held) conn_hold(leg->conn, CONN_HOLD_SCRIPT, true);
      return true;
    }
    leg_drop(leg);
  }
  return false;
}

void ask_hold(struct ask *ask, bool on) {
  if (ask->is_held == on) return;
  ask->is_held = on;
  for (unsigned i = 0; i < ask->count; i++) {
    if (ask->legs[i].conn) conn_hold(ask->legs[i].conn, CONN_HOLD_SCRIPT, on);
  }
}
