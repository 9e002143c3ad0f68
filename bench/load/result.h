/* load/result.h — what a run of load has counted so far, and the clock. Knows no sockets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latency.h"

enum {
  EVENTS_MAX = 256,   /* per epoll_wait */
  SILENCE_MS = 10000, /* nothing at all for so long means that an answer was lost */
};

struct load_result {
  uint64_t messages; /* that came back whole and right */
  uint64_t bytes;    /* of those, one way */
  uint64_t connects;
  uint64_t started_ns; /* when the first message was sent; 0: not yet */
  double seconds;      /* from then to the last answer */
  uint64_t errors;
  char error[256]; /* what went wrong first; "" when nothing did */
  struct latency latency;
};

uint64_t clock_ns(void); /* monotonic */

/* Counts a message of `size` bytes, sent at `asked_ns`, that came back right at `now_ns`. */
void result_answered(struct load_result *result, size_t size, uint64_t asked_ns, uint64_t now_ns);

/* The same, and how long it took is not to be known. */
void result_untimed(struct load_result *result, size_t size, uint64_t now_ns);

/* Keeps the first reason; the others are only counted. */
__attribute__((format(printf, 2, 3))) void result_fail(struct load_result *result,
                                                       const char *format, ...);
bool result_failed(const struct load_result *result);
