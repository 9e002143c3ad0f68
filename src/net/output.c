/* net/output.c — what one connection still has to write, in order — does not know how it is written.
 *
 * Small sends are copied one behind the other into an arena, so that a thousand small sends are one
 * range; large ones are borrowed from the script's strings for as long as the handler runs, and
 * copied only when the kernel did not take them at once; a broadcast is shared by all receivers. */
#include "net/output.h"

#include "base/blob.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
  ARENA_BYTES = 4096,        /* the first arena, kept with a pooled output */
  ARENA_BYTES_MAX = 1 << 16, /* later arenas grow up to this, so that a long queue is few ranges */
  RANGES_KEPT_MAX = 64,      /* a longer array is not kept in the pool */
  BUF_BYTES_MAX = 1 << 30,   /* what one uv_buf_t is given */
  POOL_MAX = 64,             /* emptied outputs kept: about 5 KiB each */
};

/* Who keeps the bytes of a range alive: `holder`, or with NULL the script that lent them. */
struct range {
  const char *bytes;
  size_t size;
  struct blob *holder;
};

struct output {
  struct writing writing;
  struct range *ranges;
  size_t capacity;
  size_t first;       /* index of the first range not yet consumed */
  size_t count;       /* of ranges not yet consumed */
  size_t size;        /* their bytes */
  size_t borrowed;    /* of them, ranges that nobody here keeps alive */
  size_t counted;     /* of them, the first ones, whose memory is in an account */
  struct blob *arena; /* where the next small send is copied to */
  size_t arena_used;
  struct output_pool *pool;
  struct output *pool_next;
};

void output_pool_init(struct output_pool *pool) {
  *pool = (struct output_pool){0};
}

static void output_free(struct output *output) {
  blob_unref(output->arena);
  free(output->ranges);
  free(output);
}

void output_pool_deinit(struct output_pool *pool) {
  while (pool->free_list) {
    struct output *output = pool->free_list;
    pool->free_list = output->pool_next;
    output_free(output);
  }
  pool->free_count = 0;
}

struct output *output_take(struct output_pool *pool) {
  struct output *output = pool->free_list;
  if (!output) {
    output = calloc(1, sizeof *output);
    if (output) output->pool = pool;
    return output;
  }
  pool->free_list = output->pool_next;
  pool->free_count--;
  return output;
}

void output_give_back(struct output_pool *pool, struct output *output) {
  if (output->count > 0) output_consume(output, output->size);
  bool worth_keeping = output->capacity <= RANGES_KEPT_MAX &&
                       (!output->arena || output->arena->capacity == ARENA_BYTES);
  if (pool->free_count >= POOL_MAX || !worth_keeping) {
    output_free(output);
    return;
  }
  if (output->arena && output->arena->account) blob_uncharge(output->arena);
  output->pool_next = pool->free_list;
  pool->free_list = output;
  pool->free_count++;
}

/* Makes room for one more range; NULL when memory is out. */
static struct range *range_append(struct output *output) {
  if (output->first + output->count == output->capacity) {
    if (output->first > output->capacity / 2) {
      assert(output->ranges);
      memmove(output->ranges, output->ranges + output->first,
              output->count * sizeof *output->ranges);
      output->first = 0;
    } else {
      size_t capacity = output->capacity ? output->capacity * 2 : 8;
      struct range *ranges = realloc(output->ranges, capacity * sizeof *ranges);
      if (!ranges) return NULL;
      output->ranges = ranges;
      output->capacity = capacity;
    }
  }
  return &output->ranges[output->first + output->count];
}

static void range_commit(struct output *output, struct range *range, const char *bytes, size_t size,
                         struct blob *holder) {
  *range = (struct range){.bytes = bytes, .size = size, .holder = holder};
  if (!holder) output->borrowed++;
  output->count++;
  output->size += size;
}

/* Makes the arena have room for `size` bytes; false when memory is out. */
static bool arena_reserve(struct output *output, size_t size) {
  if (output->arena && output->arena->capacity - output->arena_used >= size) return true;
  size_t capacity = output->arena ? output->arena->capacity * 2 : ARENA_BYTES;
  if (capacity > ARENA_BYTES_MAX) capacity = ARENA_BYTES_MAX;
  if (capacity < size) capacity = size;
  struct blob *arena = blob_new(capacity);
  if (!arena) return false;
  if (capacity > ARENA_BYTES) output->pool->loose_bytes += capacity;
  blob_unref(output->arena);
  output->arena = arena;
  output->arena_used = 0;
  return true;
}

bool output_copy(struct output *output, const char *bytes, size_t size) {
  if (!arena_reserve(output, size)) return false;
  char *at = output->arena->bytes + output->arena_used;
  struct range *last = output->count ? &output->ranges[output->first + output->count - 1] : NULL;
  bool joins = last && last->holder == output->arena && last->bytes + last->size == at;
  struct range *range = joins ? NULL : range_append(output);
  if (!joins && !range) return false;
  memcpy(at, bytes, size);
  output->arena_used += size;
  if (joins) {
    last->size += size;
    output->size += size;
  } else {
    range_commit(output, range, at, size, blob_ref(output->arena));
  }
  return true;
}

bool output_borrow(struct output *output, const char *bytes, size_t size) {
  struct range *range = range_append(output);
  if (!range) return false;
  range_commit(output, range, bytes, size, NULL);
  return true;
}

bool output_share(struct output *output, struct blob *blob, size_t size) {
  assert(size <= blob->capacity);
  struct range *range = range_append(output);
  if (!range) return false;
  range_commit(output, range, blob->bytes, size, blob_ref(blob));
  return true;
}

static void count(struct output *output, struct blob_account *account) {
  for (; output->counted < output->count; output->counted++) {
    blob_charge(output->ranges[output->first + output->counted].holder, account);
  }
}

bool output_own(struct output *output, struct blob_account *account) {
  /* The borrowed ones are the last. */
  for (size_t i = output->count; i-- > 0 && output->borrowed > 0;) {
    struct range *range = &output->ranges[output->first + i];
    if (range->holder) continue;
    struct blob *copy = blob_new(range->size);
    if (!copy) return false;
    memcpy(copy->bytes, range->bytes, range->size);
    range->bytes = copy->bytes;
    range->holder = copy;
    output->borrowed--;
  }
  if (account) count(output, account);
  return true;
}

size_t output_size(const struct output *output) {
  return output->size;
}

struct writing *output_writing(struct output *output) {
  return &output->writing;
}

unsigned output_peek(const struct output *output, uv_buf_t *bufs, unsigned max, size_t bytes_max,
                     size_t *total) {
  unsigned used = 0;
  *total = 0;
  for (size_t i = 0; i < output->count && used < max && bytes_max > 0; i++) {
    const struct range *range = &output->ranges[output->first + i];
    size_t size = range->size < bytes_max ? range->size : bytes_max;
    if (size > BUF_BYTES_MAX)
      bytes_max = size = BUF_BYTES_MAX; /* the rest of it comes first, later */
    bufs[used++] = uv_buf_init((char *)(uintptr_t)range->bytes, (unsigned)size);
    bytes_max -= size;
    *total += size;
  }
  return used;
}

void output_read(const struct output *output, size_t offset, size_t size, char *out) {
  assert(offset + size <= output->size);
  for (const struct range *range = &output->ranges[output->first]; size > 0; range++) {
    if (offset >= range->size) {
      offset -= range->size;
      continue;
    }
    size_t part = range->size - offset < size ? range->size - offset : size;
    memcpy(out, range->bytes + offset, part);
    out += part;
    size -= part;
    offset = 0;
  }
}

void output_consume(struct output *output, size_t size) {
  assert(size <= output->size);
  output->size -= size;
  while (output->count > 0) {
    struct range *range = &output->ranges[output->first];
    if (size < range->size) {
      range->bytes += size;
      range->size -= size;
      return;
    }
    size -= range->size;
    blob_unref(range->holder);
    if (!range->holder) output->borrowed--;
    if (output->counted > 0) output->counted--;
    output->first++;
    output->count--;
  }
  output->first = 0;
  /* Nobody reads the arena any more: start over at its beginning. */
  if (output->arena && output->arena->references == 1) output->arena_used = 0;
}
