/* base/frame.c — which frame formats there are, and which are possible. Sees no bytes. */
#include "base/frame.h"

#include <string.h>

/* "be" and "le" are for those of several bytes. */
static const struct length {
  const char *name;
  enum frame_length coding;
  uint8_t size;
} lengths[] = {
    {"u8", FRAME_LENGTH_BINARY, 1},    {"u16be", FRAME_LENGTH_BINARY, 2},
    {"u24be", FRAME_LENGTH_BINARY, 3}, {"u32be", FRAME_LENGTH_BINARY, 4},
    {"u64be", FRAME_LENGTH_BINARY, 8}, {"u16le", FRAME_LENGTH_BINARY, 2},
    {"u24le", FRAME_LENGTH_BINARY, 3}, {"u32le", FRAME_LENGTH_BINARY, 4},
    {"u64le", FRAME_LENGTH_BINARY, 8}, {"hex4", FRAME_LENGTH_HEX, 4},
    {"hex8", FRAME_LENGTH_HEX, 8},     {"varint", FRAME_LENGTH_VARINT, 0},
};
enum { LENGTH_COUNT = sizeof lengths / sizeof *lengths };

const char frame_length_names[] = "length must be \"u8\", \"u16be\", \"u24be\", \"u32be\", "
                                  "\"u64be\" (or le), \"varint\", \"hex4\" or \"hex8\"";

static bool frame_length_is_known(const struct frame_format *format) {
  for (size_t i = 0; i < LENGTH_COUNT; i++) {
    if (format->coding == lengths[i].coding && format->length_size == lengths[i].size) return true;
  }
  return false;
}

static const char *frame_length_fault(const struct frame_format *format) {
  if (!frame_length_is_known(format)) return frame_length_names;
  if (format->prefix_size > FRAME_PREFIX_BYTES_MAX) return "offset must be 0 to 28 bytes";
  if (format->header_counted > format->prefix_size + format->length_size) {
    return format->coding == FRAME_LENGTH_VARINT
               ? "includes_header must not count a varint, whose own size depends on what it says"
               : "includes_header must not count more bytes than stand before the message";
  }
  if (format->adjust > format->message_bytes_max) {
    return "adjust must be no more than limits.message";
  }
  return NULL;
}

const char *frame_format_fault(const struct frame_format *format) {
  if (format->message_bytes_max == 0 || format->message_bytes_max > FRAME_MESSAGE_BYTES_MAX) {
    return "the longest message must have 1 byte or more, and fit into memory";
  }
  switch (format->kind) {
    case FRAME_BY_LINE:
    case FRAME_BY_NETSTRING: return NULL;
    case FRAME_BY_DELIMITER:
      if (format->delimiter_size == 0 || format->delimiter_size > FRAME_DELIMITER_BYTES_MAX) {
        return "delimiter must have 1 to 64 bytes";
      }
      return NULL;
    case FRAME_BY_LENGTH: return frame_length_fault(format);
    case FRAME_BY_SIZE:
      if (format->fixed_size == 0 || format->fixed_size > format->message_bytes_max) {
        return "fixed must be 1 byte or more, and no more than limits.message";
      }
      return NULL;
  }
  return "kind must be one of enum frame_kind";
}

bool frame_format_set_length(struct frame_format *format, const char *name) {
  for (size_t i = 0; i < LENGTH_COUNT; i++) {
    if (strcmp(name, lengths[i].name) != 0) continue;
    format->coding = lengths[i].coding;
    format->length_size = lengths[i].size;
    format->little_endian = strstr(name, "le") != NULL;
    return true;
  }
  return false;
}
