/* frame_fuzz.c — any bytes as any frame format, in any pieces — does not know which messages are right.
 *
 * What it knows is what must always be: pieces change nothing, nothing is read that has not arrived,
 * no message and no wait is longer than the limit, and a message that is sent again comes back.
 *
 * An input is four bytes and a stream:
 *   0  kind, modulo 17: line, delimiter, u8, u16be, u16le, u32be, u32le, netstring, fixed, line sent with
 *      CRLF, u24be, u24le, u64be, u64le, hex4, hex8, varint
 *   1  its option: the delimiter's size, less 1 (it stands before the stream); bits 0 to 4 the size of
 *      the prefix and 5 to 6 what the length counts (0 the message, 1 itself too, 2 everything, 3 all
 *      but the first bytes of the message); the fixed size, less 1
 *   2  bits 0 to 6 the longest message, less 1; in steps of 64 with bit 7
 *   3  how the stream is cut: 0 before each byte, or the seed of what decides */
#include "fuzz.h"

#include "base/frame.h"

#include <string.h>

enum { STREAM_BYTES_MAX = 2048 };

struct input {
  struct frame_format format;
  uint32_t cuts; /* state of the generator; 0 cuts everywhere */
  const char *stream;
  size_t size;
};

/* --- The input ----------------------------------------------------------------------------- */

/* More than the message of a small limit: those take less. */
enum { ADJUST_BYTES = 6 };

static void read_length_option(struct frame_format *format, unsigned option) {
  unsigned prefix_size = option & 31;
  if (prefix_size > FRAME_PREFIX_BYTES_MAX) prefix_size = FRAME_PREFIX_BYTES_MAX;
  format->prefix_size = (uint8_t)prefix_size;
  unsigned counted = option >> 5 & 3;
  if (counted == 3) {
    format->adjust = ADJUST_BYTES;
    if (format->message_bytes_max < ADJUST_BYTES) format->adjust = 1;
  }
  if (format->coding == FRAME_LENGTH_VARINT) return; /* which counts nothing of its header */
  if (counted == 1) format->header_counted = format->length_size;
  if (counted == 2) format->header_counted = (uint8_t)(prefix_size + format->length_size);
}

static bool read_input(const uint8_t *data, size_t size, struct input *input) {
  /* By their kind; those that it has had from the beginning keep their numbers, for the corpus. */
  static const char *const lengths[] = {
      [2] = "u8",     [3] = "u16be",  [4] = "u16le",  [5] = "u32be",
      [6] = "u32le",  [10] = "u24be", [11] = "u24le", [12] = "u64be",
      [13] = "u64le", [14] = "hex4",  [15] = "hex8",  [16] = "varint"};
  if (size < 4) return false;
  if (size > 4 + STREAM_BYTES_MAX) size = 4 + STREAM_BYTES_MAX;
  *input = (struct input){.cuts = data[3], .stream = (const char *)data + 4, .size = size - 4};
  struct frame_format *format = &input->format;
  unsigned kind = data[0] % 17;
  unsigned option = data[1];
  format->message_bytes_max = (data[2] & 127) + 1U;
  if (data[2] & 128) format->message_bytes_max *= 64;
  if (kind == 0 || kind == 9) {
    format->kind = FRAME_BY_LINE;
    format->crlf = kind == 9;
  }
  if (kind == 1) {
    format->kind = FRAME_BY_DELIMITER;
    format->delimiter_size = 1 + option % FRAME_DELIMITER_BYTES_MAX;
    if (input->size < format->delimiter_size) return false;
    memcpy(format->delimiter, input->stream, format->delimiter_size);
    input->stream += format->delimiter_size;
    input->size -= format->delimiter_size;
  }
  if (lengths[kind]) {
    format->kind = FRAME_BY_LENGTH;
    MUST(frame_format_set_length(format, lengths[kind]));
    read_length_option(format, option);
  }
  if (kind == 7) format->kind = FRAME_BY_NETSTRING;
  if (kind == 8) {
    format->kind = FRAME_BY_SIZE;
    format->fixed_size = 1 + option % format->message_bytes_max;
  }
  MUST(frame_format_fault(format) == NULL);
  return true;
}

/* --- A message sent again ------------------------------------------------------------------ */

/* The frame of a message in a block of its own; NULL when the format cannot carry it. */
static char *frame_of(const struct frame_format *format, const char *prefix, const char *message,
                      size_t size, size_t *out_size) {
  struct frame_wrapping wrapping;
  size_t prefix_size = format->kind == FRAME_BY_LENGTH ? format->prefix_size : 0;
  if (frame_wrap(format, prefix, prefix_size, message, size, &wrapping)) return NULL;
  *out_size = wrapping.header_size + size + wrapping.trailer_size;
  char *frame = malloc(*out_size);
  MUST(frame != NULL);
  memcpy(frame, wrapping.header, wrapping.header_size);
  memcpy(frame + wrapping.header_size, message, size);
  memcpy(frame + wrapping.header_size + size, wrapping.trailer, wrapping.trailer_size);
  return frame;
}

/* The stream as one message: if it can be sent at all, its frame is cut into that message. */
static void check_sending(const struct input *input) {
  char prefix[FRAME_PREFIX_BYTES_MAX] = {0};
  struct frame_format format = input->format;
  if (format.message_bytes_max < input->size) format.message_bytes_max = input->size;
  size_t frame_size;
  char *frame = frame_of(&format, prefix, input->stream, input->size, &frame_size);
  if (!frame) return;
  struct frame_slice slice;
  size_t scanned = 0;
  MUST(frame_next(&format, &scanned, frame, frame_size, &slice) == FRAME_MESSAGE);
  MUST(slice.consumed == frame_size && slice.size == input->size);
  MUST(memcmp(frame + slice.offset, input->stream, slice.size) == 0);
  free(frame);
}

/* What may arrive in several forms: a length in capitals, or a varint longer than it has to be. */
static bool has_forms(const struct frame_format *format) {
  return format->kind == FRAME_BY_LENGTH && format->coding != FRAME_LENGTH_BINARY;
}

/* A message that arrived makes the same frame again, but for a line: that may have had a CRLF, or
 * one CR more before it, and then it cannot be sent. */
static void check_sending_again(const struct frame_format *format, const char *bytes,
                                const struct frame_slice *slice) {
  const char *message = bytes + slice->offset;
  size_t frame_size;
  char *frame = frame_of(format, bytes, message, slice->size, &frame_size);
  if (slice->is_mark) {
    MUST(slice->size == 0 && slice->consumed == format->length_size);
    struct frame_wrapping wrapping;
    MUST(!frame_wrap(format, bytes, slice->consumed, "", 0, &wrapping));
    MUST(wrapping.header_size == slice->consumed);
  } else if (has_forms(format)) {
    MUST(frame != NULL && frame_size <= slice->consumed);
  } else if (format->kind == FRAME_BY_LINE) {
    bool ends_in_cr = slice->size > 0 && message[slice->size - 1] == '\r';
    MUST((frame == NULL) == ends_in_cr);
  } else {
    MUST(frame != NULL && frame_size == slice->consumed);
    MUST(memcmp(frame, bytes, frame_size) == 0);
  }
  free(frame);
}

/* --- Cutting ------------------------------------------------------------------------------- */

struct event {
  enum frame_result result;
  size_t offset; /* of the message in the stream */
  size_t size;
};

/* The stream at once: each message, and what came after the last. */
struct reading {
  struct event events[STREAM_BYTES_MAX + 1];
  size_t count;
};

static void check_answer(const struct frame_format *format, size_t size, enum frame_result result,
                         const struct frame_slice *slice) {
  /* The most that may stand around a message: a header and a comma, or a delimiter. */
  size_t around = FRAME_DELIMITER_BYTES_MAX;
  switch (result) {
    case FRAME_MESSAGE:
      MUST(slice->size <= format->message_bytes_max);
      MUST(slice->consumed > 0 && slice->consumed <= size);
      MUST(slice->offset + slice->size <= slice->consumed);
      MUST(slice->consumed - slice->size <= around);
      break;
    case FRAME_MORE:
      MUST(slice->needed > size && slice->needed <= format->message_bytes_max + around);
      break;
    case FRAME_TOO_LONG:
    case FRAME_MALFORMED: MUST(slice->fault != NULL); break;
  }
}

static void read_whole(const struct input *input, struct reading *reading) {
  size_t start = 0;
  reading->count = 0;
  for (;;) {
    struct frame_slice slice = {0};
    size_t scanned = 0;
    const char *bytes = input->stream + start;
    size_t size = input->size - start;
    enum frame_result result = frame_next(&input->format, &scanned, bytes, size, &slice);
    check_answer(&input->format, size, result, &slice);
    struct event *event = &reading->events[reading->count++];
    *event = (struct event){result, 0, 0};
    if (result != FRAME_MESSAGE) return;
    event->offset = start + slice.offset;
    event->size = slice.size;
    check_sending_again(&input->format, bytes, &slice);
    start += slice.consumed;
  }
}

/* A connection that gets the stream in pieces and compares. */
struct receiver {
  const struct input *input;
  const struct event *expected;
  size_t start;
  size_t scanned;
  size_t needed;
};

/* Asks with what arrived in a block of its own, so that reading past it is found out. True when
 * there was a message, and there may be another. */
static bool take(struct receiver *receiver, size_t arrived) {
  const struct input *input = receiver->input;
  size_t size = arrived - receiver->start;
  char *bytes = malloc(size > 0 ? size : 1);
  MUST(bytes != NULL);
  memcpy(bytes, input->stream + receiver->start, size);
  struct frame_slice slice = {0};
  size_t scanned_before = receiver->scanned;
  enum frame_result result = frame_next(&input->format, &receiver->scanned, bytes, size, &slice);
  free(bytes);
  check_answer(&input->format, size, result, &slice);
  MUST(receiver->scanned <= size);
  if (result == FRAME_MORE) {
    MUST(receiver->scanned >= scanned_before);
    receiver->needed = slice.needed;
    return false;
  }
  MUST(size >= receiver->needed);
  MUST(result == receiver->expected->result);
  if (result != FRAME_MESSAGE) return false;
  MUST(receiver->scanned == 0);
  MUST(receiver->start + slice.offset == receiver->expected->offset);
  MUST(slice.size == receiver->expected->size);
  receiver->expected++;
  receiver->start += slice.consumed;
  receiver->needed = 0;
  return true;
}

/* The size of the next piece: mostly small ones, which cut more. */
static size_t next_piece(uint32_t *state) {
  if (*state == 0) return 1;
  *state = *state * 1664525 + 1013904223;
  unsigned random = *state >> 16;
  return 1 + (random & 3 ? random >> 8 & 7 : random >> 2 & 255);
}

static void read_pieces(const struct input *input, const struct reading *reading) {
  struct receiver receiver = {.input = input, .expected = reading->events};
  uint32_t cuts = input->cuts;
  for (size_t arrived = 0; arrived < input->size;) {
    arrived += next_piece(&cuts);
    if (arrived > input->size) arrived = input->size;
    while (take(&receiver, arrived)) {
    }
  }
  MUST(receiver.expected == &reading->events[reading->count - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input;
  if (!read_input(data, size, &input)) return -1;
  struct reading reading;
  read_whole(&input, &reading);
  read_pieces(&input, &reading);
  check_sending(&input);
  return 0;
}
