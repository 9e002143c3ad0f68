/* server/held_up.c — a loop that a script holds up: what is said of it, and how it ends.
 *
 * Most of it runs in a signal handler, in the middle of anything: texts are put together by hand,
 * for what stdio may lock or allocate, and nothing of the server is changed. */
#include "server/held_up.h"

#include "base/log.h"
#include "base/tap.h"
#include "base/text.h"
#include "base/worker.h"
#include "net/loop.h"
#include "server/server_state.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

enum {
  SECOND_SIGNAL_MS = 800, /* it ends within a second, and says so first */
  LAST_CODE_MS = 5000,    /* for on_unload, to-be-closed variables and finalizers of all scripts */
};

struct text {
  size_t size;
  char bytes[400];
};

static void held_up_add(struct text *text, const char *piece) {
  size_t size = strlen(piece);
  size_t room = sizeof text->bytes - text->size;
  if (size > room) size = room;
  memcpy(text->bytes + text->size, piece, size);
  text->size += size;
}

static void held_up_add_number(struct text *text, unsigned number) {
  char digits[TEXT_DIGITS_MAX + 1] = "";
  text_format_number(number, 1, digits);
  held_up_add(text, digits);
}

/* "0.5 s" */
static void add_seconds(struct text *text, unsigned ms) {
  held_up_add_number(text, ms / 1000);
  held_up_add(text, ".");
  held_up_add_number(text, ms / 100 % 10);
  held_up_add(text, " s");
}

/* " in on_data (x.lua:3), in os.execute" */
static void add_place(struct text *text, const struct vm_hold *hold) {
  const struct place *place = &hold->place;
  held_up_add(text, " in ");
  held_up_add(text, hold->handler ? hold->what : "");
  held_up_add(text, hold->handler ? hold->handler : "a finalizer");
  if (place->file[0]) {
    held_up_add(text, " (");
    held_up_add(text, place->file);
    held_up_add(text, ":");
    held_up_add_number(text, (unsigned)(place->line > 0 ? place->line : 0));
    held_up_add(text, ")");
  }
  if (place->call[0]) {
    held_up_add(text, ", in ");
    held_up_add(text, place->call);
  }
}

static struct log_record record_of(const struct vm_hold *hold, enum log_level level,
                                   const struct text *text) {
  return (struct log_record){
      .level = level,
      .script = hold->script,
      .conn = hold->conn_id,
      .message = text->bytes,
      .message_size = text->size,
  };
}

static void held_up_on_holding(void *context, const struct vm_hold *hold) {
  const struct server *server = context;
  struct text text = {0};
  end_signals_retake();
  held_up_add(&text, "the loop is held up for ");
  add_seconds(&text, hold->ms);
  add_place(&text, hold);
  struct log_record record = record_of(hold, LOG_WARN, &text);
  log_write_from_signal(server->options.log, &record);
}

static void tell_event(const struct server *server, const struct vm_hold *hold) {
  struct tap *tap = net_loop_tap(server->loop);
  struct event event = {.kind = EVENT_STALL, .conn = hold->conn_id, .script = hold->script};
  if (!tap_wants(tap, EVENT_STALL)) return;
  event.of.stall.handler = hold->handler;
  event.of.stall.call = hold->place.call[0] ? hold->place.call : NULL;
  event.of.stall.file = hold->place.file[0] ? hold->place.file : NULL;
  event.of.stall.line = hold->place.line > 0 ? (uint64_t)hold->place.line : 0;
  event.of.stall.took_ms = hold->ms;
  tap_emit(tap, &event);
}

/* What others said meanwhile is read next, and is new to their idle times. */
static void held_up_on_time(void *context) {
  const struct server *server = context;
  net_loop_update_now(server->loop);
}

static void held_up_on_held(void *context, const struct vm_hold *hold) {
  struct server *server = context;
  struct text text = {0};
  server->stalls++;
  if (hold->ms > server->stall_ms_max) server->stall_ms_max = hold->ms;
  held_up_add(&text, "the loop was held up for ");
  add_seconds(&text, hold->ms);
  add_place(&text, hold);
  struct log_record record = record_of(hold, LOG_WARN, &text);
  log_write(server->options.log, &record);
  tell_event(server, hold);
}

static void held_up_on_quiet(void *context) {
  struct server *server = context;
  if (server->handles_open && server->phase == SERVING) uv_async_send(&server->quiet);
}

static void end_process(const struct server *server, const struct vm_hold *hold,
                        enum log_level level, const struct text *text, int code) {
  struct log_record record = record_of(hold, level, text);
  log_write_from_signal(server->options.log, &record);
  _exit(code);
}

static void held_up_on_stuck(void *context, const struct vm_hold *hold, enum vm_stuck why) {
  const struct server *server = context;
  struct text text = {0};
  if (why == STUCK_BUDGET) {
    add_seconds(&text, hold->ms);
    held_up_add(&text, " of processor time");
    add_place(&text, hold);
    held_up_add(&text, ", which cannot be interrupted: ending the process");
    end_process(server, hold, LOG_ERROR, &text, SERVER_EXIT_STUCK);
  }
  bool closing = server->phase == CLOSED;
  held_up_add(&text, closing              ? "the scripts could not be closed in time"
                     : server->is_hurried ? "second signal: the loop is"
                                          : "the time of --drain is over: the loop is");
  if (hold->script) {
    held_up_add(&text, closing ? ": stuck" : " stuck");
    add_place(&text, hold);
  } else if (!closing) {
    held_up_add(&text, " busy");
  }
  held_up_add(&text, closing ? ": ending without" : ": ending the process");
  end_process(server, hold, closing ? LOG_WARN : LOG_ERROR, &text, closing ? 0 : SERVER_EXIT_STUCK);
}

const struct vm_watchdog_events held_up_events = {
    .on_time = held_up_on_time,
    .on_holding = held_up_on_holding,
    .on_held = held_up_on_held,
    .on_quiet = held_up_on_quiet,
    .on_stuck = held_up_on_stuck,
};

void held_up_bound_draining(const struct server *server) {
  uint64_t ms = (uint64_t)server->options.drain_ms + DEADLINE_LEFT_MS + LAST_CODE_MS;
  if (server->phase == SERVING) ms += (uint64_t)server->options.grace_ms;
  vm_watchdog_end_within(server->watchdog, ms < UINT_MAX ? (unsigned)ms : UINT_MAX);
}

void held_up_end_soon(void *context, unsigned signals_before) {
  struct server *server = context;
  if (signals_before == 0) {
    held_up_bound_draining(server);
  } else if (worker_is_hurried(server->options.worker)) {
    server->is_hurried = true;
    vm_watchdog_end_within(server->watchdog, SECOND_SIGNAL_MS);
  }
}

void held_up_bound_closing(struct server *server) {
  server->phase = CLOSED;
  vm_watchdog_end_within(server->watchdog, LAST_CODE_MS);
}
