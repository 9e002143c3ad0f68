/* base/frame_split.c — where the first message of some bytes begins and ends. Keeps no state but how
 * far it has looked.
 *
 * Each kind decides from the bytes alone, and never differently when more of them follow; that is
 * why it does not matter how a stream was cut. */
#include "base/frame.h"

#include "base/percent.h"

#include <assert.h>
#include <string.h>

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static enum frame_result message(struct frame_slice *out, size_t offset, size_t size,
                                 size_t consumed) {
  out->offset = offset;
  out->size = size;
  out->consumed = consumed;
  return FRAME_MESSAGE;
}

static enum frame_result more(struct frame_slice *out, size_t needed) {
  out->needed = needed;
  return FRAME_MORE;
}

static enum frame_result too_long(struct frame_slice *out, const char *fault) {
  out->fault = fault;
  return FRAME_TOO_LONG;
}

static enum frame_result malformed(struct frame_slice *out, const char *fault) {
  out->fault = fault;
  return FRAME_MALFORMED;
}

static size_t trim_cr(const char *line, size_t size) {
  return size > 0 && line[size - 1] == '\r' ? size - 1 : size;
}

static enum frame_result next_line(const struct frame_format *format, size_t *scanned,
                                   const char *bytes, size_t size, struct frame_slice *out) {
  size_t max = format->message_bytes_max;
  size_t window = smaller(size, max + 2); /* a line that may pass ends here, with its CRLF */
  const char *lf = memchr(bytes + *scanned, '\n', window - *scanned);
  size_t end = lf ? (size_t)(lf - bytes) : window;
  size_t length = trim_cr(bytes, end); /* without LF: what the line has at the least */
  if (length > max) return too_long(out, "the line is longer than a message may be");
  if (lf) return message(out, 0, length, end + 1);
  *scanned = window;
  return more(out, size + 1);
}

/* Mostly the first byte that looks like the delimiter begins it, and nothing finds one byte faster
 * than memchr. Where it does not, a peer may have put many more of them: that is for memmem. */
static const char *frame_split_find(const char *bytes, size_t size, const char *delimiter,
                                    size_t delimiter_size) {
  const char *first = memchr(bytes, delimiter[0], size);
  if (!first || delimiter_size == 1) return first;
  size_t left = size - (size_t)(first - bytes);
  if (left < delimiter_size) return NULL;
  if (memcmp(first, delimiter, delimiter_size) == 0) return first;
  return memmem(first + 1, left - 1, delimiter, delimiter_size);
}

static enum frame_result next_delimited(const struct frame_format *format, size_t *scanned,
                                        const char *bytes, size_t size, struct frame_slice *out) {
  size_t delimiter_size = format->delimiter_size;
  size_t end_max = format->message_bytes_max + delimiter_size;
  size_t window = smaller(size, end_max);
  const char *found =
      frame_split_find(bytes + *scanned, window - *scanned, format->delimiter, delimiter_size);
  if (found) {
    size_t length = (size_t)(found - bytes);
    return message(out, 0, length, length + delimiter_size);
  }
  if (window == end_max) {
    return too_long(out, "the delimiter did not come within the longest message");
  }
  if (window < delimiter_size) return more(out, delimiter_size);
  *scanned = window - delimiter_size + 1; /* its last bytes may begin a delimiter */
  return more(out, size + 1);
}

/* What a length says, and how many bytes it has. */
struct announcement {
  uint64_t counted;
  size_t size;
};

static enum frame_result read_binary(const struct frame_format *format, const char *field,
                                     size_t size, struct announcement *out) {
  if (size < format->length_size) return FRAME_MORE;
  for (unsigned i = 0; i < format->length_size; i++) {
    unsigned at = format->little_endian ? format->length_size - 1U - i : i;
    out->counted = out->counted << 8 | (uint8_t)field[at];
  }
  return FRAME_MESSAGE;
}

static enum frame_result read_hex(const struct frame_format *format, const char *field, size_t size,
                                  struct announcement *out) {
  for (size_t i = 0; i < smaller(size, format->length_size); i++) {
    int digit = hex_value(field[i]);
    if (digit < 0) return FRAME_MALFORMED;
    out->counted = out->counted << 4 | (unsigned)digit;
  }
  return size < format->length_size ? FRAME_MORE : FRAME_MESSAGE;
}

static enum frame_result read_varint(const char *field, size_t size, struct announcement *out) {
  for (size_t i = 0; i < smaller(size, FRAME_VARINT_BYTES_MAX); i++) {
    const uint8_t byte = (uint8_t)field[i];
    if (i == FRAME_VARINT_BYTES_MAX - 1 && byte > 1) return FRAME_MALFORMED; /* of bit 63 and on */
    out->counted |= (uint64_t)(byte & 0x7f) << 7 * i;
    out->size = i + 1;
    if (byte < 0x80) return FRAME_MESSAGE;
  }
  return FRAME_MORE;
}

static enum frame_result read_length(const struct frame_format *format, const char *field,
                                     size_t size, struct frame_slice *slice,
                                     struct announcement *out) {
  *out = (struct announcement){.size = format->length_size};
  switch (format->coding) {
    case FRAME_LENGTH_BINARY: return read_binary(format, field, size, out);
    case FRAME_LENGTH_HEX:
      slice->fault = "the length has something other than hexadecimal digits";
      return read_hex(format, field, size, out);
    case FRAME_LENGTH_VARINT:
      slice->fault = "the length is a varint of more than 64 bits";
      return read_varint(field, size, out);
  }
  return FRAME_MALFORMED;
}

/* A length that is less than the header it counts. */
static enum frame_result below_header(const struct frame_format *format, size_t header,
                                      struct frame_slice *out) {
  if (format->coding == FRAME_LENGTH_HEX && format->prefix_size == 0) {
    out->is_mark = true;
    return message(out, header, 0, header);
  }
  return malformed(out, "the length is less than the header that it counts");
}

static enum frame_result next_prefixed(const struct frame_format *format, const char *bytes,
                                       size_t size, struct frame_slice *out) {
  const size_t prefix = format->prefix_size;
  const size_t least = format->coding == FRAME_LENGTH_BINARY ? format->length_size : 1;
  struct announcement length;
  if (size < prefix) return more(out, prefix + least);
  enum frame_result result = read_length(format, bytes + prefix, size - prefix, out, &length);
  if (result == FRAME_MORE) { /* each digit is judged, and any byte may be a varint's last */
    return more(out, format->coding == FRAME_LENGTH_BINARY ? prefix + least : size + 1);
  }
  if (result != FRAME_MESSAGE) return result;
  const size_t header = prefix + length.size;
  if (length.counted < format->header_counted) return below_header(format, header, out);
  const size_t max = format->message_bytes_max;
  /* Before anything is added: it may be any number of 64 bits. */
  uint64_t wanted = length.counted - format->header_counted;
  if (wanted <= max) wanted += format->adjust;
  if (wanted > max) {
    return too_long(out, "the announced length is more than a message may have");
  }
  const size_t message_size = (size_t)wanted;
  if (size - header < message_size) return more(out, header + message_size);
  return message(out, header, message_size, header + message_size);
}

/* Reads the digits of "12:". Stops at the colon, which *at then is, or at the end of the bytes. */
static enum frame_result frame_split_read_digits(const struct frame_format *format,
                                                 const char *bytes, size_t size, size_t *at,
                                                 struct frame_slice *out) {
  size_t max = format->message_bytes_max;
  size_t value = 0;
  size_t i = 0;
  for (; i < size && bytes[i] != ':'; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') {
      return malformed(out, "the netstring's length has something other than digits");
    }
    if (i > 0 && value == 0) return malformed(out, "the netstring's length has a leading zero");
    size_t digit = (size_t)(bytes[i] - '0');
    if (digit > max || value > (max - digit) / 10) {
      return too_long(out, "the netstring's length is more than a message may have");
    }
    value = value * 10 + digit;
  }
  if (i == size) return more(out, size + 1);
  if (i == 0) return malformed(out, "the netstring has no length before its colon");
  *at = i;
  out->size = value;
  return FRAME_MESSAGE;
}

static enum frame_result next_netstring(const struct frame_format *format, const char *bytes,
                                        size_t size, struct frame_slice *out) {
  size_t colon = 0;
  enum frame_result result = frame_split_read_digits(format, bytes, size, &colon, out);
  if (result != FRAME_MESSAGE) return result;
  size_t offset = colon + 1;
  size_t comma = offset + out->size;
  if (size <= comma) return more(out, comma + 1);
  if (bytes[comma] != ',') {
    return malformed(out, "the netstring does not end with a comma where its length says");
  }
  return message(out, offset, out->size, comma + 1);
}

static enum frame_result next_fixed(const struct frame_format *format, size_t size,
                                    struct frame_slice *out) {
  size_t fixed = format->fixed_size;
  return size < fixed ? more(out, fixed) : message(out, 0, fixed, fixed);
}

enum frame_result frame_next(const struct frame_format *format, size_t *scanned, const char *bytes,
                             size_t size, struct frame_slice *out) {
  assert(*scanned <= size);
  out->is_mark = false;
  enum frame_result result = FRAME_MALFORMED;
  switch (format->kind) {
    case FRAME_BY_LINE: result = next_line(format, scanned, bytes, size, out); break;
    case FRAME_BY_DELIMITER: result = next_delimited(format, scanned, bytes, size, out); break;
    case FRAME_BY_LENGTH: result = next_prefixed(format, bytes, size, out); break;
    case FRAME_BY_NETSTRING: result = next_netstring(format, bytes, size, out); break;
    case FRAME_BY_SIZE: result = next_fixed(format, size, out); break;
  }
  if (result == FRAME_MESSAGE) *scanned = 0;
  return result;
}
