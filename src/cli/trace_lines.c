/* cli/trace_lines.c — a trace as one line an event, for people. Knows no server. */
#include "base/base64.h"
#include "cli/answer.h"
#include "cli/trace_text.h"
#include "cli/trace_view.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_CELLS 9
#define CONN_CELLS 4
#define SCRIPT_CELLS 10
#define KIND_CELLS 9
#define HEX_ROW_BYTES 16

static const char color_off[] = "\033[0m";
static const char color_dim[] = "\033[2m";

/* What comes in is green, what goes out blue, what the script does yellow, an end magenta, what is
 * wrong red, and what the kernel says dim. */
static const struct {
  const char *kind;
  const char *color;
} colors[] = {
    {"data", "\033[32m"},     {"message", "\033[32m"}, {"datagram", "\033[32m"},
    {"recv", "\033[32m"},     {"accept", "\033[32m"},  {"connect", "\033[32m"},
    {"send", "\033[34m"},     {"sendto", "\033[34m"},  {"flush", "\033[34m"},
    {"handler", "\033[33m"},  {"wait", "\033[33m"},    {"wake", "\033[33m"},
    {"handled", "\033[33m"},  {"call", "\033[33m"},    {"eof", "\033[35m"},
    {"shutdown", "\033[35m"}, {"close", "\033[35m"},   {"reset", "\033[1;31m"},
    {"error", "\033[1;31m"},  {"timeout", "\033[31m"}, {"dropped", "\033[1;31m"},
};

static const char *color_of(const json_t *event) {
  if (strcmp(answer_text(event, "source"), "kernel") == 0) {
    return color_dim;
  }
  for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
    if (trace_is(event, colors[i].kind)) {
      return colors[i].color;
    }
  }
  return "";
}

static void print_spaces(size_t count) {
  (void)printf("%*s", (int)count, "");
}

/* In so many cells at least, one more to part it from the next. */
static void print_left(const struct trace_text *text, size_t cells) {
  (void)fputs(text->text, stdout);
  print_spaces(text->cells < cells ? cells - text->cells + 1 : 1);
}

static void print_time(struct trace_lines *lines, const json_t *event) {
  uint64_t now_ns = (uint64_t)answer_number(event, "time_ns");
  struct trace_text text;
  trace_text_init(&text);
  if (lines->last_ns != 0) {
    trace_text_add(&text, "+");
    trace_text_add_time(&text, now_ns > lines->last_ns ? now_ns - lines->last_ns : 0);
  }
  lines->last_ns = now_ns;
  print_spaces(text.cells < TIME_CELLS ? TIME_CELLS - text.cells : 0);
  (void)printf("%s  ", text.text);
}

static void print_whose(const json_t *event) {
  struct trace_text text;
  trace_text_init(&text);
  if (answer_number(event, "conn") != 0) {
    trace_text_add(&text, "#%lld", (long long)answer_number(event, "conn"));
  }
  print_left(&text, CONN_CELLS);
  trace_text_init(&text);
  trace_text_add_shown(&text, answer_text(event, "script"), 100);
  print_left(&text, SCRIPT_CELLS);
}

static void print_kind(const struct trace_lines *lines, const json_t *event) {
  struct trace_text text;
  struct trace_text detail;
  const char *color = lines->color ? color_of(event) : "";
  trace_text_init(&text);
  trace_text_add_shown(&text, answer_text(event, "event"), 40);
  (void)fputs(color, stdout);
  trace_text_init(&detail);
  trace_text_add_detail(&detail, event);
  if (detail.size > 0) {
    print_left(&text, KIND_CELLS);
  } else {
    (void)fputs(text.text, stdout);
  }
  (void)fputs(detail.text, stdout);
  (void)fputs(*color != '\0' ? color_off : "", stdout);
}

/* Where in the script, and what is not observed. */
static void print_rest(const struct trace_lines *lines, const json_t *event) {
  struct trace_text text;
  const char *source = answer_text(event, "source");
  trace_text_init(&text);
  trace_text_add_place(&text, event);
  if (strcmp(source, "observed") != 0) {
    trace_text_add(&text, "(");
    trace_text_add_shown(&text, source, 20);
    trace_text_add(&text, ")");
  }
  if (text.size > 0) {
    (void)printf("  %s%s%s", lines->color ? color_dim : "", text.text,
                 lines->color ? color_off : "");
  }
}

void trace_lines_show(struct trace_lines *lines, const json_t *event) {
  print_time(lines, event);
  print_whose(event);
  print_kind(lines, event);
  print_rest(lines, event);
  (void)putchar('\n');
  if (lines->hex_bytes_max > 0) {
    trace_hex_print(event, lines->hex_bytes_max);
  }
}

static void print_hex_row(const unsigned char *bytes, size_t offset, size_t size) {
  (void)printf("%18s%06zx ", "", offset);
  for (size_t i = 0; i < HEX_ROW_BYTES; i++) {
    (void)fputs(i == HEX_ROW_BYTES / 2 ? "  " : " ", stdout);
    if (i < size) {
      (void)printf("%02x", bytes[i]);
    } else {
      (void)fputs("  ", stdout);
    }
  }
  (void)fputs("  |", stdout);
  for (size_t i = 0; i < size; i++) {
    (void)putchar(bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.');
  }
  (void)fputs("|\n", stdout);
}

void trace_hex_print(const json_t *event, size_t bytes_max) {
  const char *text = answer_text(event, "base64");
  size_t text_size = strlen(text);
  char *bytes = malloc(BASE64_DECODED_SIZE_MAX(text_size) + 1);
  ssize_t size = bytes != NULL ? base64_decode(text, text_size, bytes) : -1;
  if (size > 0 && (size_t)size > bytes_max) {
    size = (ssize_t)bytes_max;
  }
  for (ssize_t at = 0; at < size; at += HEX_ROW_BYTES) {
    size_t left = (size_t)(size - at);
    print_hex_row((unsigned char *)bytes + at, (size_t)at,
                  left < HEX_ROW_BYTES ? left : HEX_ROW_BYTES);
  }
  if (size > 0 && answer_number(event, "size") > size) {
    (void)printf("%18s%lld more bytes\n", "", (long long)answer_number(event, "size") - size);
  }
  free(bytes);
}
