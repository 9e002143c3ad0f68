/* base/frame.c — which frame formats there are, and which are possible. Sees no bytes. */
#include "base/frame.h"

#include <string.h>

static const char *frame_length_fault(const struct frame_format *format) {
  if (format->length_size != 1 && format->length_size != 2 && format->length_size != 4) {
    return "length must be \"u8\", \"u16be\", \"u16le\", \"u32be\" or \"u32le\"";
  }
  if (format->prefix_size > FRAME_PREFIX_BYTES_MAX) return "offset must be 0 to 28 bytes";
  if (format->header_counted > format->prefix_size + format->length_size) {
    return "includes_header must not count more bytes than stand before the message";
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
  static const struct {
    const char *name;
    uint8_t size;
    bool little_endian;
  } lengths[] = {
      {"u8", 1, false},    {"u16be", 2, false}, {"u16le", 2, true},
      {"u32be", 4, false}, {"u32le", 4, true},
  };
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    if (strcmp(name, lengths[i].name) != 0) continue;
    format->length_size = lengths[i].size;
    format->little_endian = lengths[i].little_endian;
    return true;
  }
  return false;
}
