/* base/frame.h — a stream of bytes as messages, cut apart and put together. Allocates nothing, and
 * does not know where the bytes come from.
 *
 * A frame is what travels: [prefix] [length] message [separator]. The message is what a script gets.
 *
 *   struct frame_slice slice;
 *   while ((result = frame_next(&format, &scanned, bytes, size, &slice)) == FRAME_MESSAGE) {
 *     use(bytes + slice.offset, slice.size);
 *     bytes += slice.consumed, size -= slice.consumed;
 *   }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FRAME_DELIMITER_BYTES_MAX = 64,
  FRAME_PREFIX_BYTES_MAX = 28,
  FRAME_VARINT_BYTES_MAX = 10, /* of 64 bits: the widest length */
  /* Everything before a message: prefix and length, or "12345:". */
  FRAME_HEADER_BYTES_MAX = FRAME_PREFIX_BYTES_MAX + FRAME_VARINT_BYTES_MAX,
};

/* Highest message_bytes_max: a message, its header and its separator can be added up in a size_t. */
#define FRAME_MESSAGE_BYTES_MAX ((size_t)PTRDIFF_MAX / 2)

enum frame_kind {
  FRAME_BY_LINE,      /* ends with LF or CRLF, which is not part of the message */
  FRAME_BY_DELIMITER, /* ends with the delimiter, which is not part of the message */
  FRAME_BY_LENGTH,    /* begins with a length */
  FRAME_BY_NETSTRING, /* "5:hello,", https://cr.yp.to/proto/netstrings.txt */
  FRAME_BY_SIZE,      /* every message has the same size */
};

/* How a length is written. */
enum frame_length {
  FRAME_LENGTH_BINARY, /* in 1, 2, 3, 4 or 8 bytes */
  FRAME_LENGTH_HEX,    /* in 4 or 8 digits, sent in lower case */
  /* Seven bits in each byte, the lowest first, bit 7 where more follow: LEB128, as of Protocol Buffers
   * and MQTT. It may be longer than it has to be; it is sent as short as can be. */
  FRAME_LENGTH_VARINT,
};

/* A value: copied as one likes, owns nothing. Only the fields of its kind count, and
 * message_bytes_max. */
struct frame_format {
  enum frame_kind kind;
  size_t message_bytes_max; /* of the message alone; 1 to FRAME_MESSAGE_BYTES_MAX */

  char delimiter[FRAME_DELIMITER_BYTES_MAX]; /* any bytes, NUL too */
  size_t delimiter_size;

  bool crlf; /* how a line is sent: with CRLF, else with LF */

  /* prefix_size bytes that mean something to the protocol (a type, a version), then the length in
   * length_size bytes, then the message. The length counts the message and, of what stands before
   * it, header_counted bytes: 0, or prefix_size + length_size where it counts the whole frame, or
   * length_size where it counts itself (PostgreSQL). Of what the message begins with it does not count
   * `adjust` bytes (the 6 behind the length of HTTP/2). */
  enum frame_length coding;
  uint8_t length_size; /* in bytes; 0 for a varint */
  bool little_endian;
  uint8_t prefix_size;
  uint8_t header_counted;
  uint8_t adjust;

  size_t fixed_size; /* 1 to message_bytes_max */
};

/* NULL, or what is wrong with a format and what to write instead: "delimiter must have …". Every
 * other function here takes only formats that pass. */
const char *frame_format_fault(const struct frame_format *format);

/* Sets coding, length_size and little_endian from "u8"; "u16", "u24", "u32" or "u64" with "be" or "le";
 * "hex4", "hex8" or "varint".
 * False when `name` is none of them; the format is then untouched. */
extern const char frame_length_names[]; /* "length must be …": what it takes */
bool frame_format_set_length(struct frame_format *format, const char *name);

/* --- Cutting ------------------------------------------------------------------------------- */

enum frame_result {
  FRAME_MESSAGE,   /* offset, size and consumed are set */
  FRAME_MORE,      /* needed is set */
  FRAME_TOO_LONG,  /* longer than message_bytes_max; fault is set */
  FRAME_MALFORMED, /* no frame of this format; fault is set */
};

struct frame_slice {
  size_t offset;     /* of the message in `bytes`; a prefix is bytes[0 .. format->prefix_size) */
  size_t size;       /* of the message */
  size_t consumed;   /* of the whole frame: the next one begins at bytes + consumed */
  size_t needed;     /* until `bytes` has so many, the answer remains FRAME_MORE */
  const char *fault; /* a sentence about the frame, static: "the netstring does not end with …" */
  /* Of a length in hexadecimal that says less than the header it counts, without a prefix: a mark of the
   * protocol, such as git's "0000". The message is empty. */
  bool is_mark;
};

/* Cuts the first frame off `bytes` (not NULL, though `size` may be 0), which begin where a frame
 * begins. What the answer is depends on these bytes only, never on how they came in pieces.
 *
 * *scanned is how far earlier calls have looked for the end of this frame: 0 for a new one, and
 * kept by the caller while it only appends. It returns to 0 with FRAME_MESSAGE. With another format
 * it starts from 0 again.
 *
 * An announced length is judged against message_bytes_max as soon as it can be read. FRAME_MORE
 * never asks for more than message_bytes_max and the bytes around a message. FRAME_TOO_LONG and
 * FRAME_MALFORMED are final: where the next frame would begin is not known. */
enum frame_result frame_next(const struct frame_format *format, size_t *scanned, const char *bytes,
                             size_t size, struct frame_slice *out);

/* --- Putting together ---------------------------------------------------------------------- */

/* What is sent before and after a message. */
struct frame_wrapping {
  char header[FRAME_HEADER_BYTES_MAX];
  size_t header_size;
  const char *trailer; /* static, or in the format */
  size_t trailer_size;
};

/* What makes a frame of a message; `prefix` has format->prefix_size bytes, and is empty for any kind
 * but FRAME_BY_LENGTH; or it is a mark, of an empty message. Whatever is accepted here, frame_next() gives back unchanged (given a
 * message_bytes_max that allows it; it is not looked at here: the peer has limits of its own).
 * NULL, or why the format cannot carry the message, as the rest of a sentence: "contains …". */
const char *frame_wrap(const struct frame_format *format, const char *prefix, size_t prefix_size,
                       const char *message, size_t size, struct frame_wrapping *out);
