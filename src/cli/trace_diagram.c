/* cli/trace_diagram.c — one connection as arrows between its peer, the kernel and the script.
 *
 * The peer's side of an arrow is inferred from what the kernel gave us: when bytes are read, they
 * had come; when the kernel takes some, it sends them as soon as TCP allows. */
#include "cli/answer.h"
#include "cli/trace_text.h"
#include "cli/trace_view.h"

#include <stdio.h>
#include <string.h>

#define TIME_CELLS 10
#define GAP_CELLS 26
#define LABEL_CELLS (GAP_CELLS - 6) /* what an arrow leaves: dashes, blanks, its head */
#define PREVIEW_CELLS 8

enum arrow { NO_ARROW, TO_RIGHT, TO_LEFT };

/* One line: what goes on between peer and kernel, between kernel and script, and what the script
 * does. */
struct row {
  enum arrow outer;
  struct trace_text outer_label;
  enum arrow inner;
  struct trace_text inner_label;
  struct trace_text note;
};

static void print_dashes(size_t count, char dash) {
  while (count-- > 0) {
    (void)putchar(dash);
  }
}

static void print_gap(enum arrow arrow, const struct trace_text *label) {
  const char dash = arrow == NO_ARROW ? ' ' : '-';
  size_t used = label->cells > 0 ? label->cells + 2 : 0;
  size_t dashes = GAP_CELLS > used + 1 ? GAP_CELLS - used - 1 : 0;
  (void)putchar(arrow == TO_LEFT ? '<' : dash);
  print_dashes(dashes / 2, dash);
  if (used > 0) {
    (void)printf(" %s ", label->text);
  }
  print_dashes(dashes - dashes / 2, dash);
  (void)putchar(arrow == TO_RIGHT ? '>' : dash);
}

static void print_row(struct trace_diagram *diagram, const json_t *event, const struct row *row) {
  uint64_t now_ns = (uint64_t)answer_number(event, "time_ns");
  struct trace_text time;
  trace_text_init(&time);
  if (diagram->last_ns != 0) {
    trace_text_add(&time, "+");
    trace_text_add_time(&time, now_ns > diagram->last_ns ? now_ns - diagram->last_ns : 0);
  }
  diagram->last_ns = now_ns;
  (void)printf("%*s%s |", (int)(time.cells < TIME_CELLS ? TIME_CELLS - time.cells : 0), "",
               time.text);
  print_gap(row->outer, &row->outer_label);
  (void)putchar('|');
  print_gap(row->inner, &row->inner_label);
  (void)printf("|%s%s\n", row->note.size > 0 ? " " : "", row->note.text);
}

static void print_head(const json_t *event) {
  const int half = GAP_CELLS / 2;
  (void)printf("%*s connection #%lld, %s\n", TIME_CELLS, "",
               (long long)answer_number(event, "conn"), answer_text(event, "script"));
  (void)printf("%*s peer%*skernel%*sscript\n", TIME_CELLS, "", 2 * half - 6, "", 2 * half - 5, "");
}

static void add_number(struct trace_text *label, const json_t *event, const char *name) {
  long long count = (long long)answer_number(event, name);
  trace_text_add(label, "%lld byte%s", count, count == 1 ? "" : "s");
}

static void add_place_behind(struct trace_text *note, const json_t *event) {
  struct trace_text place;
  trace_text_init(&place);
  trace_text_add_place(&place, event);
  if (place.size > 0) {
    trace_text_add(note, "  ");
    trace_text_add_shown(note, place.text, 200);
  }
}

static void draw_begin(struct row *row, const json_t *event) {
  bool accepted = trace_is(event, "accept");
  row->outer = accepted ? TO_RIGHT : TO_LEFT;
  trace_text_add(&row->outer_label, "SYN, SYN+ACK, ACK");
  row->inner = TO_RIGHT;
  trace_text_add(&row->inner_label, accepted ? "accept" : "connected");
  trace_text_add_shown(&row->note, answer_text(event, "peer"), 60);
}

static void draw_data(struct row *row, const json_t *event) {
  row->outer = TO_RIGHT;
  add_number(&row->outer_label, event, "size");
  bool read_off = strcmp(answer_text(event, "to"), "nobody") == 0;
  row->inner = read_off ? NO_ARROW : TO_RIGHT;
  if (read_off) {
    trace_text_add(&row->inner_label, "read off");
  } else {
    trace_text_add_bytes(&row->inner_label, event, PREVIEW_CELLS);
  }
}

static void draw_flush(struct row *row, const json_t *event) {
  row->inner = TO_LEFT;
  trace_text_add(&row->inner_label, "write ");
  add_number(&row->inner_label, event, "taken");
  row->outer = TO_LEFT;
  add_number(&row->outer_label, event, "taken");
  if (answer_number(event, "left") > 0) {
    trace_text_add(&row->note, "%lld bytes wait for room", (long long)answer_number(event, "left"));
  }
}

static void draw_eof(struct row *row, const json_t *event) {
  (void)event;
  row->outer = row->inner = TO_RIGHT;
  trace_text_add(&row->outer_label, "FIN");
  trace_text_add(&row->inner_label, "end of file");
}

static void draw_shutdown(struct row *row, const json_t *event) {
  bool inferred = strcmp(answer_text(event, "source"), "inferred") == 0;
  row->outer = row->inner = TO_LEFT;
  trace_text_add(&row->outer_label, "FIN");
  trace_text_add(&row->inner_label, inferred ? "close" : "shutdown");
}

static void draw_reset(struct row *row, const json_t *event) {
  bool by_us = strcmp(answer_text(event, "by"), "us") == 0;
  row->outer = row->inner = by_us ? TO_LEFT : TO_RIGHT;
  trace_text_add(&row->outer_label, "RST");
  if (by_us) {
    trace_text_add(&row->inner_label, "reset");
  } else {
    trace_text_add_shown(&row->inner_label, answer_text(event, "error"), LABEL_CELLS - 3);
  }
}

/* What the kernel says stands by its line. */
static void draw_tcp(struct row *row, const json_t *event) {
  trace_text_add(&row->inner_label, "[");
  trace_text_add_shown(&row->inner_label, answer_text(event, "state"), LABEL_CELLS - 5);
  trace_text_add(&row->inner_label, "]");
}

static const struct {
  const char *kind;
  void (*draw)(struct row *row, const json_t *event);
} drawings[] = {
    {"accept", draw_begin}, {"connect", draw_begin}, {"data", draw_data},
    {"flush", draw_flush},  {"eof", draw_eof},       {"shutdown", draw_shutdown},
    {"reset", draw_reset},  {"tcp", draw_tcp},
};

/* What has no arrow is a note beside the script's line. */
static void draw(struct row *row, const json_t *event) {
  for (size_t i = 0; i < sizeof drawings / sizeof drawings[0]; i++) {
    if (trace_is(event, drawings[i].kind)) {
      drawings[i].draw(row, event);
      return;
    }
  }
  trace_text_add_shown(&row->note, answer_text(event, "event"), 40);
  trace_text_add(&row->note, " ");
  trace_text_add_detail(&row->note, event);
  add_place_behind(&row->note, event);
}

/* The events between which a connection is there. */
static bool begins(const json_t *event) {
  return trace_is(event, "accept") || trace_is(event, "connect") || trace_is(event, "open");
}

bool trace_diagram_show(struct trace_diagram *diagram, const json_t *event) {
  json_int_t conn = answer_number(event, "conn");
  bool is_dropped = trace_is(event, "dropped");
  if (diagram->conn == 0 && begins(event) && !trace_is(event, "open")) {
    diagram->conn = conn;
  }
  if (!is_dropped && (conn == 0 || conn != diagram->conn)) {
    return false;
  }
  if (is_dropped && !diagram->begun) {
    return false;
  }
  if (!diagram->begun) {
    print_head(event);
    diagram->begun = true;
  }
  struct row row = {0};
  draw(&row, event);
  print_row(diagram, event, &row);
  diagram->closed = diagram->closed || trace_is(event, "close");
  return true;
}
