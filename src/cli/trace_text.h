/* cli/trace_text.h — one event of a running server in words. Knows no column and no colour. */
#ifndef MOONPORT_CLI_TRACE_TEXT_H
#define MOONPORT_CLI_TRACE_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_TEXT_SIZE_MAX 2048

/* A piece of a line. What does not fit is left out. */
struct trace_text {
  char text[TRACE_TEXT_SIZE_MAX];
  size_t size;
  size_t cells; /* on a terminal */
};

void trace_text_init(struct trace_text *out);
/* Text of our own, in ASCII but for µ. */
void trace_text_add(struct trace_text *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Text of anybody's: what would act on a terminal is shown as \n or \xNN; at most so many cells. */
void trace_text_add_shown(struct trace_text *out, const char *text, size_t cells_max);

/* "12 µs", "1.5 ms", "2.4 s". */
void trace_text_add_time(struct trace_text *out, uint64_t ns);
/* 5 bytes "hello"; the bytes in at most `cells_max` cells, none for 0. */
void trace_text_add_bytes(struct trace_text *out, const json_t *event, size_t cells_max);
/* What happened, but for its kind: `on_data done in 19 µs`. */
void trace_text_add_detail(struct trace_text *out, const json_t *event);
/* "scripts/echo.lua:9"; nothing when no line of a script did it. */
void trace_text_add_place(struct trace_text *out, const json_t *event);

/* Whether the event is of that kind. */
bool trace_is(const json_t *event, const char *kind);

#endif
