/* base/frame_wrap.c — what stands before and after a message on its way out. Sends nothing. */
#include "base/frame.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *wrap_line(const struct frame_format *format, const char *message, size_t size,
                             struct frame_wrapping *out) {
  if (memchr(message, '\n', size)) return "contains a line feed, which would end its line early";
  if (size > 0 && message[size - 1] == '\r') {
    return "ends with a carriage return, which would be taken for a part of the line's end";
  }
  out->trailer = format->crlf ? "\r\n" : "\n";
  out->trailer_size = format->crlf ? 2 : 1;
  return NULL;
}

/* Whether the delimiter's first match would begin with the last bytes of the message and end in the
 * delimiter that follows it: "a" before "aa". */
static bool meets_delimiter(const struct frame_format *format, const char *message, size_t size) {
  size_t overlap = format->delimiter_size - 1;
  size_t tail = size < overlap ? size : overlap;
  char seam[2 * FRAME_DELIMITER_BYTES_MAX];
  memcpy(seam, message + size - tail, tail);
  memcpy(seam + tail, format->delimiter, overlap);
  return memmem(seam, tail + overlap, format->delimiter, format->delimiter_size);
}

static const char *wrap_delimited(const struct frame_format *format, const char *message,
                                  size_t size, struct frame_wrapping *out) {
  if (memmem(message, size, format->delimiter, format->delimiter_size)) {
    return "contains the delimiter, which would end it early";
  }
  if (meets_delimiter(format, message, size)) {
    return "ends in such a way that the delimiter would be found too early";
  }
  out->trailer = format->delimiter;
  out->trailer_size = format->delimiter_size;
  return NULL;
}

/* The highest number that the length holds. */
static uint64_t length_max(const struct frame_format *format) {
  if (format->coding == FRAME_LENGTH_VARINT) return UINT64_MAX;
  const unsigned bits = (format->coding == FRAME_LENGTH_HEX ? 4U : 8U) * format->length_size;
  assert(bits > 0); /* of a format that passed */
  return UINT64_MAX >> (64 - bits);
}

static const char *frame_wrap_length_fault(const struct frame_format *format) {
  switch (length_max(format)) {
    case UINT8_MAX: return "is too long for a length of 8 bits, which counts to 255";
    case UINT16_MAX: return "is too long for a length of 16 bits, which counts to 65535";
    case (1 << 24) - 1: return "is too long for a length of 24 bits, which counts to 16777215";
    default: return "is too long for a length of 32 bits, which counts to 4294967295";
  }
}

/* Returns how many bytes it has. */
static size_t put_binary(const struct frame_format *format, uint64_t counted, char *field) {
  for (unsigned i = 0; i < format->length_size; i++) {
    unsigned at = format->little_endian ? i : format->length_size - 1U - i;
    field[at] = (char)(uint8_t)(counted >> 8 * i);
  }
  return format->length_size;
}

static size_t put_hex(const struct frame_format *format, uint64_t counted, char *field) {
  for (unsigned i = format->length_size; i > 0; i--) {
    field[i - 1] = "0123456789abcdef"[counted & 15];
    counted >>= 4;
  }
  return format->length_size;
}

static size_t put_varint(uint64_t counted, char *field) {
  size_t size = 0;
  for (; counted >= 0x80; counted >>= 7) field[size++] = (char)(uint8_t)(counted | 0x80);
  field[size++] = (char)(uint8_t)counted;
  return size;
}

static size_t put_length(const struct frame_format *format, uint64_t counted, char *field) {
  switch (format->coding) {
    case FRAME_LENGTH_BINARY: return put_binary(format, counted, field);
    case FRAME_LENGTH_HEX: return put_hex(format, counted, field);
    case FRAME_LENGTH_VARINT: break;
  }
  return put_varint(counted, field);
}

static const char *wrap_prefixed(const struct frame_format *format, const char *prefix, size_t size,
                                 struct frame_wrapping *out) {
  if (size < format->adjust)
    return "is shorter than what its frame's length does not count (adjust)";
  const uint64_t uncounted = (uint64_t)size - format->adjust;
  if (uncounted > length_max(format) - format->header_counted) {
    return frame_wrap_length_fault(format);
  }
  if (format->prefix_size > 0) memcpy(out->header, prefix, format->prefix_size);
  out->header_size = format->prefix_size + put_length(format, uncounted + format->header_counted,
                                                      out->header + format->prefix_size);
  return NULL;
}

/* "0000" for a frame whose length counts itself, say: it travels as it is. */
static bool is_mark(const struct frame_format *format, const char *prefix, size_t prefix_size,
                    size_t size) {
  struct frame_slice slice = {0};
  size_t scanned = 0;
  bool may_be = format->kind == FRAME_BY_LENGTH && format->coding == FRAME_LENGTH_HEX &&
                prefix_size == format->length_size && format->prefix_size == 0 && size == 0;
  return may_be && frame_next(format, &scanned, prefix, prefix_size, &slice) == FRAME_MESSAGE &&
         slice.is_mark;
}

static const char *wrap_netstring(size_t size, struct frame_wrapping *out) {
  out->header_size = (size_t)snprintf(out->header, sizeof out->header, "%zu:", size);
  out->trailer = ",";
  out->trailer_size = 1;
  return NULL;
}

static const char *frame_wrap_prefix_fault(const struct frame_format *format, size_t size) {
  if (format->kind != FRAME_BY_LENGTH) {
    return size == 0 ? NULL
                     : "has a prefix, which only a frame by length carries: { length = …, "
                       "offset = N }";
  }
  if (size == format->prefix_size) return NULL;
  return format->prefix_size == 0
             ? "has a prefix, and its frame has no offset, which makes room for "
               "it"
             : "needs a prefix of exactly as many bytes as its frame's offset";
}

const char *frame_wrap(const struct frame_format *format, const char *prefix, size_t prefix_size,
                       const char *message, size_t size, struct frame_wrapping *out) {
  out->header_size = 0;
  out->trailer = "";
  out->trailer_size = 0;
  if (is_mark(format, prefix, prefix_size, size)) {
    memcpy(out->header, prefix, prefix_size);
    out->header_size = prefix_size;
    return NULL;
  }
  const char *fault = frame_wrap_prefix_fault(format, prefix_size);
  if (fault) return fault;
  switch (format->kind) {
    case FRAME_BY_LINE: return wrap_line(format, message, size, out);
    case FRAME_BY_DELIMITER: return wrap_delimited(format, message, size, out);
    case FRAME_BY_LENGTH: return wrap_prefixed(format, prefix, size, out);
    case FRAME_BY_NETSTRING: return wrap_netstring(size, out);
    case FRAME_BY_SIZE:
      return size == format->fixed_size ? NULL : "does not have the frame's fixed size";
  }
  return "is for a format that does not exist";
}
