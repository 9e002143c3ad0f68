/* base/log_render.h — one log record as one piece of text or JSON. Knows no descriptor, no clock. */
#pragma once

#include "base/log.h"

#include <time.h>

/* How records look on one sink. */
struct log_style {
  bool json;         /* one object a line; else text */
  bool colour;       /* text only: the level word is coloured */
  bool lays_out;     /* text only: somebody reads along, see log_render.c */
  long utc_offset_s; /* text only: how far local time is ahead of UTC */
  unsigned worker;   /* who says it, of several that write there; 0: there is one */
};

/* Writes the record, its final newline included, and returns its size, at most LOG_LINE_SIZE_MAX, of a
 * worker's LOG_SHARED_SIZE_MAX.
 * Text shows `now` in local time, JSON in UTC. What does not fit is cut, with a mark. It asks no
 * library for anything that takes a lock or memory: a signal handler may call it. */
size_t log_render(const struct log_style *style, const struct timespec *now,
                  const struct log_record *record, char out[LOG_LINE_SIZE_MAX]);
