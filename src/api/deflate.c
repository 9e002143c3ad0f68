/* api/deflate.c — permessage-deflate on zlib — knows no frames.
 *
 * No context is taken over from one message to the next, so one inflater and one deflater serve every
 * connection of a script, and an idle one costs nothing. Both have 300 KiB between them. */
#include "api/deflate.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FIRST_BYTES = 1024, MEMORY_LEVEL = 8 };

/* What ends a flushed block: each message is sent without it, RFC 7692, section 7.2. */
static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff};

struct deflate {
  z_stream in;
  z_stream out;
  bool has_in;
  unsigned out_bits; /* the window of `out`; 0: there is none yet */
};

static struct deflate *made(struct deflate **held) {
  if (!*held) *held = calloc(1, sizeof **held);
  return *held;
}

/* Room for more than it has, but not beyond `bytes_max` and one byte that shows that it is more. */
static bool grow(struct deflate_piece *piece, size_t *capacity, size_t bytes_max) {
  size_t wanted = *capacity ? *capacity * 2 : FIRST_BYTES;
  if (wanted > bytes_max) wanted = bytes_max + 1;
  char *bytes = realloc(piece->bytes, wanted);
  if (!bytes) return false;
  piece->bytes = bytes;
  *capacity = wanted;
  return true;
}

static enum deflate_result deflate_give_up(struct deflate_piece *piece,
                                           enum deflate_result result) {
  free(piece->bytes);
  *piece = (struct deflate_piece){0};
  return result;
}

/* Feeds `size` bytes to the inflater, all of them; *piece grows. */
static enum deflate_result inflate_all(z_stream *stream, const void *bytes, size_t size,
                                       size_t bytes_max, struct deflate_piece *piece,
                                       size_t *capacity) {
  assert(size <= UINT_MAX);
  stream->next_in = (unsigned char *)(uintptr_t)bytes;
  stream->avail_in = (unsigned)size;
  for (;;) {
    if (piece->size > bytes_max) return DEFLATE_TOO_LONG;
    if (piece->size == *capacity && !grow(piece, capacity, bytes_max)) return DEFLATE_STARVED;
    size_t room = *capacity - piece->size < UINT_MAX ? *capacity - piece->size : UINT_MAX;
    stream->next_out = (unsigned char *)piece->bytes + piece->size;
    stream->avail_out = (unsigned)room;
    int rc = inflate(stream, Z_SYNC_FLUSH);
    piece->size += room - stream->avail_out;
    if (rc == Z_MEM_ERROR) return DEFLATE_STARVED;
    /* Others may follow a block that says it is the last one: RFC 7692, section 7.2.3.4. */
    if (rc == Z_STREAM_END) rc = inflateReset(stream);
    if (rc != Z_OK && rc != Z_BUF_ERROR) return DEFLATE_BROKEN;
    if (stream->avail_in == 0 && stream->avail_out > 0) return DEFLATE_DONE;
    if (rc == Z_BUF_ERROR && stream->avail_out > 0) return DEFLATE_BROKEN;
  }
}

enum deflate_result deflate_inflate(struct deflate **held, const char *bytes, size_t size,
                                    size_t bytes_max, struct deflate_piece *out) {
  size_t capacity = 0;
  *out = (struct deflate_piece){0};
  struct deflate *self = made(held);
  if (!self) return DEFLATE_STARVED;
  if (size > UINT_MAX) return DEFLATE_TOO_LONG;
  if (!self->has_in && inflateInit2(&self->in, -MAX_WBITS) != Z_OK) return DEFLATE_STARVED;
  if (self->has_in) inflateReset(&self->in);
  self->has_in = true;
  enum deflate_result result = inflate_all(&self->in, bytes, size, bytes_max, out, &capacity);
  bool has_ended =
      size > 0 && self->in.total_in == 0; /* with a last block, and nothing behind it */
  if (result == DEFLATE_DONE && !has_ended) {
    result = inflate_all(&self->in, tail, sizeof tail, bytes_max, out, &capacity);
    /* Bit 7: a block has just come to its end. */
    if (result == DEFLATE_DONE && !(self->in.data_type & 128)) result = DEFLATE_BROKEN;
  }
  if (result == DEFLATE_DONE && out->size > bytes_max) result = DEFLATE_TOO_LONG;
  return result == DEFLATE_DONE ? result : deflate_give_up(out, result);
}

static bool prepare_out(struct deflate *self, unsigned window_bits) {
  if (self->out_bits == window_bits) return deflateReset(&self->out) == Z_OK;
  if (self->out_bits) deflateEnd(&self->out);
  self->out_bits = 0;
  self->out = (z_stream){0};
  if (deflateInit2(&self->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -(int)window_bits, MEMORY_LEVEL,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return false;
  }
  self->out_bits = window_bits;
  return true;
}

enum deflate_result deflate_deflate(struct deflate **held, unsigned window_bits, const char *bytes,
                                    size_t size, struct deflate_piece *out) {
  *out = (struct deflate_piece){0};
  struct deflate *self = made(held);
  if (!self) return DEFLATE_STARVED;
  if (size > UINT_MAX / 2) return DEFLATE_TOO_LONG;
  if (!prepare_out(self, window_bits)) return DEFLATE_STARVED;
  size_t room = deflateBound(&self->out, size) + sizeof tail + 16; /* and a flush */
  out->bytes = malloc(room);
  if (!out->bytes) return DEFLATE_STARVED;
  self->out.next_in = (unsigned char *)(uintptr_t)bytes;
  self->out.avail_in = (unsigned)size;
  self->out.next_out = (unsigned char *)out->bytes;
  self->out.avail_out = (unsigned)room;
  int rc = deflate(&self->out, Z_SYNC_FLUSH);
  out->size = room - self->out.avail_out;
  bool ends_well = rc == Z_OK && self->out.avail_in == 0 && out->size >= sizeof tail &&
                   memcmp(out->bytes + out->size - sizeof tail, tail, sizeof tail) == 0;
  if (!ends_well) return deflate_give_up(out, DEFLATE_BROKEN);
  out->size -= sizeof tail;
  return DEFLATE_DONE;
}

void deflate_free(struct deflate *deflate) {
  if (!deflate) return;
  if (deflate->has_in) inflateEnd(&deflate->in);
  if (deflate->out_bits) deflateEnd(&deflate->out);
  free(deflate);
}
