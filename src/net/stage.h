/* net/stage.h — what was read from several sockets and is not told yet. For net/ only.
 *
 * Small pieces are first read from many, then handled, then answered: the kernel's ways and the
 * interpreter each find their code and data in the processor's caches, which by turns they would take
 * from each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct put_back;
struct transport;

enum {
  STAGE_MAX = 16,
  STAGE_BYTES_MAX = 16 * 1024, /* of the loop's read buffer: what follows has the rest of it */
  STAGE_ALIGN = 64,            /* where the next piece begins */
};

struct staged {
  struct transport *lowest; /* of a connection; it may have been closed since */
  const char *bytes;
  size_t size;
};

struct stage {
  struct staged all[STAGE_MAX];
  unsigned first; /* that is not told */
  unsigned count;
  size_t used;           /* bytes of the read buffer */
  bool is_told;          /* one after the other, now */
  uint64_t since_ms;     /* when that began */
  struct put_back *back; /* of those that were not read any more when it came to them */
};

static inline bool stage_is_full(const struct stage *stage) {
  return stage->count == STAGE_MAX || stage->used >= STAGE_BYTES_MAX;
}

static inline void stage_put(struct stage *stage, struct transport *lowest, const char *bytes,
                             size_t size) {
  stage->all[stage->count++] = (struct staged){lowest, bytes, size};
  stage->used += (size + STAGE_ALIGN - 1) / STAGE_ALIGN * STAGE_ALIGN;
}

static inline void stage_clear(struct stage *stage) {
  stage->first = stage->count = 0;
  stage->used = 0;
  stage->is_told = false;
}

/* NULL: there is none. Whoever tells it counts `first` on. */
static inline const struct staged *stage_first(const struct stage *stage) {
  return stage->first < stage->count ? &stage->all[stage->first] : NULL;
}
