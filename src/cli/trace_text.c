/* cli/trace_text.c — one event of a running server in words. Knows no column and no colour. */
#include "cli/trace_text.h"

#include "base/escape.h"
#include "cli/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PREVIEW_CELLS 60
#define ANY_CELLS 1000

void trace_text_init(struct trace_text *out) {
  out->text[0] = '\0';
  out->size = out->cells = 0;
}

/* The first byte of a character, not one that goes on with it. */
static bool begins_character(char byte) {
  return ((unsigned char)byte & 0xc0) != 0x80;
}

static bool append(struct trace_text *out, const char *text, size_t size) {
  if (size >= sizeof out->text - out->size) {
    return false;
  }
  memcpy(out->text + out->size, text, size);
  out->size += size;
  out->text[out->size] = '\0';
  for (size_t i = 0; i < size; i++) {
    out->cells += begins_character(text[i]) ? 1 : 0;
  }
  return true;
}

void trace_text_add(struct trace_text *out, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (size > 0) {
    (void)append(out, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
  }
}

void trace_text_add_shown(struct trace_text *out, const char *text, size_t cells_max) {
  const size_t end = out->cells + cells_max;
  size_t size = strlen(text);
  while (size > 0) {
    char unit[ESCAPE_SIZE_MAX];
    size_t taken = 0;
    size_t unit_size = escape_one(false, text, size, &taken, unit);
    if (out->cells + unit_size > end || !append(out, unit, unit_size)) {
      trace_text_add(out, "...");
      return;
    }
    text += taken;
    size -= taken;
  }
}

void trace_text_add_time(struct trace_text *out, uint64_t ns) {
  if (ns < 1000000) {
    trace_text_add(out, "%.3g µs", (double)ns / 1e3);
  } else if (ns < 1000000000) {
    trace_text_add(out, "%.3g ms", (double)ns / 1e6);
  } else {
    trace_text_add(out, "%.4g s", (double)ns / 1e9);
  }
}

static long long number(const json_t *event, const char *name) {
  return (long long)answer_number(event, name);
}

static bool has(const json_t *event, const char *name) {
  return json_object_get(event, name) != NULL;
}

bool trace_is(const json_t *event, const char *kind) {
  return strcmp(answer_text(event, "event"), kind) == 0;
}

static void add_field(struct trace_text *out, const json_t *event, const char *name) {
  trace_text_add_shown(out, answer_text(event, name), ANY_CELLS);
}

static void add_count(struct trace_text *out, long long count, const char *what) {
  trace_text_add(out, "%lld %s%s", count, what, count == 1 ? "" : "s");
}

void trace_text_add_bytes(struct trace_text *out, const json_t *event, size_t cells_max) {
  add_count(out, number(event, "size"), "byte");
  if (cells_max == 0 || number(event, "size") == 0) {
    return;
  }
  trace_text_add(out, " \"");
  trace_text_add_shown(out, answer_text(event, "text"), cells_max);
  bool whole = (size_t)number(event, "size") <= 64;
  trace_text_add(out, whole ? "\"" : "...\"");
}

static void add_bytes(struct trace_text *out, const json_t *event) {
  trace_text_add_bytes(out, event, PREVIEW_CELLS);
}

/* --- One function for each kind that has more to say than its bytes --------------------------- */

static void add_address(struct trace_text *out, const json_t *event) {
  add_field(out, event, "address");
}

static void add_open(struct trace_text *out, const json_t *event) {
  add_field(out, event, "peer");
  trace_text_add(out, ", for ");
  trace_text_add_time(out, (uint64_t)number(event, "age_ms") * 1000000);
  trace_text_add(out, ", %lld bytes in, %lld out", number(event, "bytes_in"),
                 number(event, "bytes_out"));
}

static void add_accept(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "from ");
  add_field(out, event, "peer");
}

static void add_connect(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "to ");
  add_field(out, event, "peer");
}

static void add_data(struct trace_text *out, const json_t *event) {
  const char *to = answer_text(event, "to");
  add_bytes(out, event);
  if (strcmp(to, "script") != 0) {
    trace_text_add(out, ", to ");
    add_field(out, event, "to");
  }
}

static void add_datagram(struct trace_text *out, const json_t *event) {
  add_bytes(out, event);
  if (has(event, "peer")) {
    trace_text_add(out, trace_is(event, "datagram") ? " from " : " to ");
    add_field(out, event, "peer");
  }
  if (has(event, "error")) {
    trace_text_add(out, ", not taken: ");
    add_field(out, event, "error");
  }
}

static void add_handler(struct trace_text *out, const json_t *event) {
  add_field(out, event, "handler");
}

static void add_call(struct trace_text *out, const json_t *event) {
  add_field(out, event, "call");
  trace_text_add(out, "()");
}

static void add_recv(struct trace_text *out, const json_t *event) {
  add_call(out, event);
  trace_text_add(out, " gives ");
  add_bytes(out, event);
}

static void add_handled(struct trace_text *out, const json_t *event) {
  add_field(out, event, "handler");
  trace_text_add(out, " ");
  add_field(out, event, "outcome");
  trace_text_add(out, " in ");
  trace_text_add_time(out, (uint64_t)number(event, "lua_ns"));
  if (number(event, "waits") > 0) {
    trace_text_add(out, ", waited ");
    add_count(out, number(event, "waits"), "time");
    trace_text_add(out, ", ");
    trace_text_add_time(out, (uint64_t)number(event, "took_ns"));
    trace_text_add(out, " in all");
  }
}

static void add_log(struct trace_text *out, const json_t *event) {
  add_field(out, event, "level");
  trace_text_add(out, ": ");
  add_field(out, event, "message");
}

static void add_message(struct trace_text *out, const json_t *event) {
  add_field(out, event, "message");
}

static void add_send(struct trace_text *out, const json_t *event) {
  add_bytes(out, event);
  if (strcmp(answer_text(event, "by"), "forward") == 0) {
    trace_text_add(out, ", forwarded");
  }
  if (has(event, "rest")) {
    trace_text_add(out, ", %lld more follow", number(event, "rest"));
  }
}

static void add_flush(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "the kernel took ");
  add_count(out, number(event, "taken"), "byte");
  if (number(event, "left") > 0) {
    trace_text_add(out, ", %lld are left", number(event, "left"));
  }
  if (strcmp(answer_text(event, "when"), "later") == 0) {
    trace_text_add(out, ", after waiting for room");
  }
}

static void add_pause(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "not read any more: ");
  add_field(out, event, "by");
}

static void add_drain(struct trace_text *out, const json_t *event) {
  add_count(out, number(event, "left"), "byte");
  trace_text_add(out, " are still queued");
}

static void add_forward(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "to #%lld", number(event, "to"));
}

static void add_reset(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "by ");
  add_field(out, event, "by");
  if (has(event, "error")) {
    trace_text_add(out, ": ");
    add_field(out, event, "error");
  }
  if (has(event, "unread")) {
    trace_text_add(out, ": ");
    add_count(out, number(event, "unread"), "byte");
    trace_text_add(out, " left unread");
  }
}

static void add_timeout(struct trace_text *out, const json_t *event) {
  add_field(out, event, "timer");
}

static void add_close(struct trace_text *out, const json_t *event) {
  add_field(out, event, "reason");
  trace_text_add(out, ", %lld bytes in, %lld out, after ", number(event, "bytes_in"),
                 number(event, "bytes_out"));
  trace_text_add_time(out, (uint64_t)number(event, "age_ms") * 1000000);
}

static void add_tcp(struct trace_text *out, const json_t *event) {
  add_field(out, event, "state");
  trace_text_add(out, " at ");
  add_field(out, event, "at");
  trace_text_add(out, ", rtt ");
  trace_text_add_time(out, (uint64_t)number(event, "rtt_us") * 1000);
  trace_text_add(out, ", unread %lld, unsent %lld, retransmits %lld", number(event, "unread"),
                 number(event, "unsent"), number(event, "retransmits"));
}

static void add_reload(struct trace_text *out, const json_t *event) {
  add_field(out, event, "outcome");
  if (has(event, "version")) {
    trace_text_add(out, ", version %lld", number(event, "version"));
  }
  if (has(event, "error")) {
    trace_text_add(out, ": ");
    add_field(out, event, "error");
  }
}

static void add_fault(struct trace_text *out, const json_t *event) {
  add_field(out, event, "fault");
  trace_text_add(out, " ");
  add_field(out, event, "detail");
}

static void add_stall(struct trace_text *out, const json_t *event) {
  trace_text_add(out, "the loop was held up for ");
  trace_text_add_time(out, (uint64_t)number(event, "took_ms") * 1000000);
  trace_text_add(out, " in ");
  trace_text_add(out, "%s", has(event, "handler") ? answer_text(event, "handler") : "a finalizer");
  if (has(event, "call")) {
    trace_text_add(out, ", in ");
    add_field(out, event, "call");
  }
}

static void add_dropped(struct trace_text *out, const json_t *event) {
  add_count(out, number(event, "count"), "event");
  trace_text_add(out, " missing: more happened than was taken in time");
}

static const struct {
  const char *kind;
  void (*add)(struct trace_text *out, const json_t *event);
} details[] = {
    {"listen", add_address},  {"unlisten", add_address},  {"open", add_open},
    {"accept", add_accept},   {"connect", add_connect},   {"data", add_data},
    {"message", add_bytes},   {"datagram", add_datagram}, {"sendto", add_datagram},
    {"handler", add_handler}, {"wake", add_handler},      {"wait", add_call},
    {"call", add_call},       {"recv", add_recv},         {"handled", add_handled},
    {"error", add_message},   {"log", add_log},           {"send", add_send},
    {"flush", add_flush},     {"pause", add_pause},       {"drain", add_drain},
    {"forward", add_forward}, {"reset", add_reset},       {"timeout", add_timeout},
    {"close", add_close},     {"tcp", add_tcp},           {"reload", add_reload},
    {"fault", add_fault},     {"dropped", add_dropped},   {"stall", add_stall},
};

void trace_text_add_detail(struct trace_text *out, const json_t *event) {
  for (size_t i = 0; i < sizeof details / sizeof details[0]; i++) {
    if (trace_is(event, details[i].kind)) {
      details[i].add(out, event);
      return;
    }
  }
}

void trace_text_add_place(struct trace_text *out, const json_t *event) {
  if (!has(event, "file")) {
    return;
  }
  add_field(out, event, "file");
  trace_text_add(out, ":%lld", number(event, "line"));
}
