/* base/frame_wrap.c — what stands before and after a message on its way out. Sends nothing. */
#include "base/frame.h"

#include <stdio.h>
#include <string.h>

static const char *wrap_line(const char *message, size_t size, struct frame_wrapping *out) {
  if (memchr(message, '\n', size)) return "contains a line feed, which would end its line early";
  if (size > 0 && message[size - 1] == '\r') {
    return "ends with a carriage return, which would be taken for a part of the line's end";
  }
  out->trailer = "\n";
  out->trailer_size = 1;
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

/* The highest number that a length of 1, 2 or 4 bytes holds. */
static uint32_t length_max(const struct frame_format *format) {
  return UINT32_MAX >> (32 - 8 * format->length_size);
}

static const char *frame_wrap_length_fault(const struct frame_format *format) {
  switch (format->length_size) {
    case 1: return "is too long for a length of 8 bits, which counts to 255";
    case 2: return "is too long for a length of 16 bits, which counts to 65535";
    default: return "is too long for a length of 32 bits, which counts to 4294967295";
  }
}

static const char *wrap_prefixed(const struct frame_format *format, const char *prefix, size_t size,
                                 struct frame_wrapping *out) {
  if (size > length_max(format) - format->header_counted) return frame_wrap_length_fault(format);
  uint32_t counted = (uint32_t)size + format->header_counted;
  if (format->prefix_size > 0) memcpy(out->header, prefix, format->prefix_size);
  char *field = out->header + format->prefix_size;
  for (unsigned i = 0; i < format->length_size; i++) {
    unsigned at = format->little_endian ? i : format->length_size - 1U - i;
    field[at] = (char)(uint8_t)(counted >> 8 * i);
  }
  out->header_size = (size_t)format->prefix_size + format->length_size;
  return NULL;
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
  const char *fault = frame_wrap_prefix_fault(format, prefix_size);
  if (fault) return fault;
  switch (format->kind) {
    case FRAME_BY_LINE: return wrap_line(message, size, out);
    case FRAME_BY_DELIMITER: return wrap_delimited(format, message, size, out);
    case FRAME_BY_LENGTH: return wrap_prefixed(format, prefix, size, out);
    case FRAME_BY_NETSTRING: return wrap_netstring(size, out);
    case FRAME_BY_SIZE:
      return size == format->fixed_size ? NULL : "does not have the frame's fixed size";
  }
  return "is for a format that does not exist";
}
