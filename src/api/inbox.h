/* api/inbox.h — bytes that arrived for a handler that reads by itself, and who waits for them. */
#pragma once

#include "api/wait.h"
#include "base/pack.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes come from the loop's read buffer. A reader that waits takes them from there; only what it
 * leaves is copied. */
struct inbox {
  char *bytes; /* kept ones: from `start`, `size` of them, in `capacity` */
  size_t start;
  size_t size;
  size_t capacity;
  const char *fresh; /* valid during one read callback; NULL otherwise */
  size_t fresh_size;
  size_t scanned; /* bytes in which the reader already looked for its separator */
  struct api_wait reader;
  struct api_wait drainer;
  unsigned drains;       /* calls of drain() that had nothing to wait for */
  struct pack_walk walk; /* of the reader's format */
  uint64_t timeout_ms;   /* of each call; 0: no limit */
  uint64_t deadline_ms;  /* of all calls; 0: none */
  uint64_t ends_ms;      /* when the time of the call that reads is up; 0: never */
};

/* NULL when memory is out. */
struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox); /* NULL is allowed */

/* What there is, as one piece. False when memory is out. */
bool inbox_view(struct inbox *inbox, const char **bytes, size_t *size);
void inbox_consume(struct inbox *inbox, size_t size);
/* Copies what is left of the fresh bytes, which are about to go. False when memory is out. */
bool inbox_keep_fresh(struct inbox *inbox);
bool inbox_empty(const struct inbox *inbox);
/* When the time of a call that begins now is up; 0: never. */
uint64_t inbox_call_ends_ms(const struct inbox *inbox, uint64_t now_ms);
/* Until ends_ms, for who waits; 1 when that has passed, 0: there is no limit. */
uint64_t inbox_left_ms(const struct inbox *inbox, uint64_t now_ms);
/* Nothing would be lost with it. */
bool inbox_is_unused(const struct inbox *inbox);
