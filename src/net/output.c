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
  WITH_ARENA_MAX = 64,       /* emptied outputs kept: about 5 KiB each */
  BARE_MAX = 1024,           /* the same, of which each is 0.4 KiB */
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

static struct output *take_first(struct output_list *list) {
  struct output *output = list->first;
  if (!output) return NULL;
  list->first = output->pool_next;
  list->count--;
  return output;
}

/* False when it has as many as it keeps. */
static bool put_first(struct output_list *list, struct output *output, size_t max) {
  if (list->count >= max) return false;
  output->pool_next = list->first;
  list->first = output;
  list->count++;
  return true;
}

static void free_all(struct output_list *list) {
  struct output *output;
  while ((output = take_first(list))) output_free(output);
}

void output_pool_deinit(struct output_pool *pool) {
  free_all(&pool->with_arena);
  free_all(&pool->bare);
}

struct output *output_take(struct output_pool *pool) {
  struct output *output = take_first(&pool->with_arena);
  if (!output) output = take_first(&pool->bare);
  if (output) return output;
  output = calloc(1, sizeof *output);
  if (output) output->pool = pool;
  return output;
}

static void drop_arena(struct output *output) {
  blob_unref(output->arena);
  output->arena = NULL;
}

void output_give_back(struct output_pool *pool, struct output *output) {
  if (output->count > 0) output_consume(output, output->size);
  if (output->arena && output->arena->capacity == ARENA_BYTES) {
    if (output->arena->account) blob_uncharge(output->arena);
    if (put_first(&pool->with_arena, output, WITH_ARENA_MAX)) return;
  }
  drop_arena(output);
  bool is_long = output->capacity > RANGES_KEPT_MAX;
  if (is_long || !put_first(&pool->bare, output, BARE_MAX)) output_free(output);
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

/* Not inlined: it would push what is for a small piece behind others out of output_copy(). */
__attribute__((noinline)) static bool copy_apart(struct output *output, const char *bytes,
                                                 size_t size) {
  struct range *range = arena_reserve(output, size) ? range_append(output) : NULL;
  if (!range) return false;
  char *at = output->arena->bytes + output->arena_used;
  memcpy(at, bytes, size);
  output->arena_used += size;
  range_commit(output, range, at, size, blob_ref(output->arena));
  return true;
}

bool output_copy(struct output *output, const char *bytes, size_t size) {
  const struct blob *arena = output->arena;
  if (output->count == 0 || !arena || arena->capacity - output->arena_used < size)
    return copy_apart(output, bytes, size);
  struct range *last = &output->ranges[output->first + output->count - 1];
  char *at = output->arena->bytes + output->arena_used;
  if (last->bytes + last->size != at || last->holder != arena)
    return copy_apart(output, bytes, size);
  last->size += size;
  output->size += size;
  output->arena_used += size;
  memcpy(at, bytes, size);
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

bool output_may_copy(const struct output *output) {
  return output->arena != NULL;
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
