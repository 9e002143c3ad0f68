/* load/result.c — what a run of load has counted so far, and the clock. Knows no sockets. */
#include "result.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void result_answered(struct load_result *result, size_t size, uint64_t asked_ns, uint64_t now_ns) {
  latency_add(&result->latency, now_ns - asked_ns);
  result_untimed(result, size, now_ns);
}

void result_untimed(struct load_result *result, size_t size, uint64_t now_ns) {
  result->messages++;
  result->bytes += size;
  result->seconds = (double)(now_ns - result->started_ns) / 1e9;
}

void result_fail(struct load_result *result, const char *format, ...) {
  if (result->errors++ > 0) return;
  va_list args;
  va_start(args, format);
  vsnprintf(result->error, sizeof result->error, format, args);
  va_end(args);
}

bool result_failed(const struct load_result *result) {
  return result->errors > 0;
}
