/* frame_test.c — frames: cut anywhere, judged against limits, refused when malformed, sent back. */
#include "check.h"

#include "base/frame.h"

#include <stdint.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- Formats ------------------------------------------------------------------------------- */

static struct frame_format by_line(size_t max) {
  return (struct frame_format){.kind = FRAME_BY_LINE, .message_bytes_max = max};
}

static struct frame_format by_bytes(const char *delimiter, size_t size, size_t max) {
  struct frame_format format = {.kind = FRAME_BY_DELIMITER, .message_bytes_max = max};
  memcpy(format.delimiter, delimiter, size);
  format.delimiter_size = size;
  return format;
}

static struct frame_format by_delimiter(const char *delimiter, size_t max) {
  return by_bytes(delimiter, strlen(delimiter), max);
}

static struct frame_format by_length(const char *length, size_t max) {
  struct frame_format format = {.kind = FRAME_BY_LENGTH, .message_bytes_max = max};
  CHECK(frame_format_set_length(&format, length));
  return format;
}

/* Three bytes of type and version before the length, as in TLS records. */
static struct frame_format with_prefix(size_t max) {
  struct frame_format format = by_length("u16be", max);
  format.prefix_size = 3;
  return format;
}

/* A length that counts the whole frame. */
static struct frame_format with_header_counted(const char *length, size_t max) {
  struct frame_format format = by_length(length, max);
  format.header_counted = format.length_size;
  return format;
}

/* A type, and a length that counts itself but not the type, as PostgreSQL has it. */
static struct frame_format as_postgres(size_t max) {
  struct frame_format format = by_length("u32be", max);
  format.prefix_size = 1;
  format.header_counted = 4;
  return format;
}

/* HTTP/2: type, flags and stream stand behind the length, which does not count them. */
static struct frame_format as_http2(size_t max) {
  struct frame_format format = by_length("u24be", max);
  format.adjust = 6;
  return format;
}

/* git's pkt-line: digits that count themselves, and "0000" is a mark. */
static struct frame_format as_git(size_t max) {
  struct frame_format format = by_length("hex4", max);
  format.header_counted = 4;
  return format;
}

/* MQTT: a type, then a varint. */
static struct frame_format as_mqtt(size_t max) {
  struct frame_format format = by_length("varint", max);
  format.prefix_size = 1;
  return format;
}

static struct frame_format by_crlf(size_t max) {
  struct frame_format format = by_line(max);
  format.crlf = true;
  return format;
}

static struct frame_format by_netstring(size_t max) {
  return (struct frame_format){.kind = FRAME_BY_NETSTRING, .message_bytes_max = max};
}

static struct frame_format by_size(size_t size) {
  return (struct frame_format){
      .kind = FRAME_BY_SIZE, .message_bytes_max = size, .fixed_size = size};
}

/* --- What a receiver sees ------------------------------------------------------------------ */

/* The messages in brackets, bytes that are not printable as \xNN, then why it ended:
 * "[one][two\x00]more". */
struct transcript {
  char text[4096];
  size_t size;
};

static void note(struct transcript *transcript, const char *text) {
  size_t size = strlen(text);
  CHECK(transcript->size + size < sizeof transcript->text);
  if (transcript->size + size >= sizeof transcript->text) return;
  memcpy(transcript->text + transcript->size, text, size + 1);
  transcript->size += size;
}

static void note_message(struct transcript *transcript, const char *bytes, size_t size) {
  note(transcript, "[");
  for (size_t i = 0; i < size; i++) {
    char text[8];
    bool printable = bytes[i] >= ' ' && bytes[i] <= '~';
    (void)snprintf(text, sizeof text, printable ? "%c" : "\\x%02x", (unsigned char)bytes[i]);
    note(transcript, text);
  }
  note(transcript, "]");
}

/* One connection: what has arrived of the stream, and where its next frame begins. */
struct receiver {
  const struct frame_format *format;
  const char *stream;
  size_t start;
  size_t arrived;
  size_t scanned;
  size_t needed;
  struct transcript seen;
};

/* The bytes in a block of their own: reading past them is found out. */
static char *copy_of(const char *bytes, size_t size) {
  char *copy = malloc(size > 0 ? size : 1);
  if (!copy) abort();
  return memcpy(copy, bytes, size);
}

static enum frame_result ask(struct receiver *receiver, struct frame_slice *slice) {
  size_t size = receiver->arrived - receiver->start;
  char *bytes = copy_of(receiver->stream + receiver->start, size);
  enum frame_result result = frame_next(receiver->format, &receiver->scanned, bytes, size, slice);
  CHECK(receiver->scanned <= size);
  if (result != FRAME_MORE) CHECK(size >= receiver->needed);
  if (result == FRAME_MORE) CHECK(slice->needed > size);
  if (result == FRAME_MESSAGE) {
    CHECK(slice->offset + slice->size <= slice->consumed && slice->consumed <= size);
    CHECK(slice->size <= receiver->format->message_bytes_max);
    note_message(&receiver->seen, bytes + slice->offset, slice->size);
  }
  free(bytes);
  return result;
}

/* Takes all messages that have arrived. False when no more can be made of the stream. */
static bool take_all(struct receiver *receiver) {
  struct frame_slice slice = {0};
  enum frame_result result;
  while ((result = ask(receiver, &slice)) == FRAME_MESSAGE) {
    receiver->start += slice.consumed;
    receiver->needed = 0;
  }
  if (result == FRAME_MORE) {
    receiver->needed = slice.needed;
    return true;
  }
  CHECK(slice.fault != NULL);
  note(&receiver->seen, result == FRAME_TOO_LONG ? "too long" : "malformed");
  return false;
}

/* Whether a piece ends before byte `at`. */
typedef bool (*cutter)(void *state, size_t at);

static bool cut_nowhere(void *state, size_t at) {
  (void)state, (void)at;
  return false;
}

static bool cut_everywhere(void *state, size_t at) {
  (void)state, (void)at;
  return true;
}

static bool cut_once(void *state, size_t at) {
  return at == *(const size_t *)state;
}

/* xorshift64: the same cuts in every run. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static bool cut_at_random(void *state, size_t at) {
  (void)at;
  return next_random(state) % 5 == 0;
}

static void receive(const struct frame_format *format, const char *stream, size_t size, cutter cuts,
                    void *state, struct transcript *seen) {
  struct receiver receiver = {.format = format, .stream = stream};
  bool open = true;
  for (size_t at = 1; at <= size && open; at++) {
    if (at < size && !cuts(state, at)) continue;
    receiver.arrived = at;
    open = take_all(&receiver);
  }
  if (open) note(&receiver.seen, receiver.start < size ? "more" : "end");
  *seen = receiver.seen;
}

/* --- The one test of every splitter -------------------------------------------------------- */

struct sample {
  struct frame_format format;
  const char *stream;
  size_t size;
  const char *seen;
};

#define STREAM(literal) (literal), sizeof(literal) - 1

static void check_sample(const struct sample *sample) {
  struct transcript seen;
  CHECK_TEXT(frame_format_fault(&sample->format), NULL);
  receive(&sample->format, sample->stream, sample->size, cut_nowhere, NULL, &seen);
  CHECK_TEXT(seen.text, sample->seen);
  receive(&sample->format, sample->stream, sample->size, cut_everywhere, NULL, &seen);
  CHECK_TEXT(seen.text, sample->seen);
  for (size_t cut = 1; cut < sample->size; cut++) {
    receive(&sample->format, sample->stream, sample->size, cut_once, &cut, &seen);
    CHECK_TEXT(seen.text, sample->seen);
  }
  uint64_t random = 20240607;
  for (int round = 0; round < 200; round++) {
    receive(&sample->format, sample->stream, sample->size, cut_at_random, &random, &seen);
    CHECK_TEXT(seen.text, sample->seen);
  }
}

static void check_samples(const struct sample *samples, size_t count) {
  for (size_t i = 0; i < count; i++) check_sample(&samples[i]);
}

static void splits_lines(void) {
  const struct sample samples[] = {
      {by_line(80), STREAM("one\ntwo\r\n\nthree\r\n\r\nfour"), "[one][two][][three][]more"},
      {by_line(80), STREAM("a\rb\r\r\n\r\r\r\n"), "[a\\x0db\\x0d][\\x0d\\x0d]end"},
      {by_line(80), STREAM("\0\0\n\xff\n"), "[\\x00\\x00][\\xff]end"},
      {by_line(3), STREAM("123\n123\r\n1234\n"), "[123][123]too long"},
      {by_line(3), STREAM("123\r\r\n"), "too long"},
      {by_line(3), STREAM("123\r"), "more"},
      {by_line(3), STREAM("123"), "more"},
      {by_line(3), STREAM("1234"), "too long"},
      {by_line(3), STREAM("123\r4"), "too long"},
      {by_line(1), STREAM("\n\r\nx\nxy\n"), "[][][x]too long"},
      {by_crlf(80), STREAM("one\r\ntwo\nthr"), "[one][two]more"},
  };
  check_samples(samples, COUNT(samples));
}

static void splits_at_delimiters(void) {
  const struct sample samples[] = {
      {by_bytes("\0", 1, 80), STREAM("one\0\0two\0thr"), "[one][][two]more"},
      {by_delimiter("\r\n", 80), STREAM("one\r\ntw\ro\n\r\r\n\n"), "[one][tw\\x0do\\x0a\\x0d]more"},
      {by_delimiter("END", 80), STREAM("1ENDEENDENENDEN"), "[1][E][EN]more"},
      /* What nearly was a delimiter may hold the beginning of one. */
      {by_delimiter("aab", 80), STREAM("aaabaabxaabaa"), "[a][][x]more"},
      {by_delimiter("aa", 80), STREAM("aaaaabaaa"), "[][][ab]more"},
      {by_delimiter("\r\n\r\n", 80), STREAM("x\r\n\r\r\n\r\n\r\n\r\n"), "[x\\x0d\\x0a\\x0d][]end"},
      {by_delimiter("--", 3), STREAM("123--12--123-4--"), "[123][12]too long"},
      {by_delimiter("--", 3), STREAM("1234--"), "too long"},
      {by_delimiter("--", 3), STREAM("123-"), "more"},
      {by_delimiter("--", 3), STREAM("1234-"), "too long"},
      {by_delimiter("0123456789012345678901234567890123456789012345678901234567890123", 1),
       STREAM("x0123456789012345678901234567890123456789012345678901234567890123y01"), "[x]more"},
  };
  check_samples(samples, COUNT(samples));
}

static void splits_by_length(void) {
  const struct sample samples[] = {
      {by_length("u8", 80), STREAM("\3one\0\1x\7thr"), "[one][][x]more"},
      {by_length("u16be", 80), STREAM("\0\3one\0\0\0\1x\0"), "[one][][x]more"},
      {by_length("u16le", 80), STREAM("\3\0one\0\0\1\0x\0"), "[one][][x]more"},
      {by_length("u32be", 80), STREAM("\0\0\0\3one\0\0\0\0\0\0\0"), "[one][]more"},
      {by_length("u32le", 80), STREAM("\3\0\0\0one\0\0\0\0\0\0\0"), "[one][]more"},
      {by_length("u8", 3), STREAM("\3one\4four"), "[one]too long"},
      {with_prefix(80), STREAM("\x16\3\1\0\3one\x17\3\3\0\0\x15\3\3"), "[one][]more"},
      {with_header_counted("u8", 80), STREAM("\4one\1\2x\2"), "[one][][x]more"},
      {with_header_counted("u32le", 3), STREAM("\7\0\0\0one\4\0\0\0\x08\0\0\0"), "[one][]too long"},
      {as_postgres(80), STREAM("Q\0\0\0\7oneS\0\0\0\4Q\0\0\0\5"), "[one][]more"},
      {by_length("u24be", 80), STREAM("\0\0\3one\0\0\0\0\0\1x\0\0"), "[one][][x]more"},
      {by_length("u24le", 80), STREAM("\3\0\0one\0\0\0\1\0\0x\0\1\0"), "[one][][x]too long"},
      {by_length("u64be", 80), STREAM("\0\0\0\0\0\0\0\3one\0\0\0\0\0\0\0"), "[one]more"},
      {by_length("u64le", 80), STREAM("\3\0\0\0\0\0\0\0one\0\0\0\0\0\0\0\1"), "[one]too long"},
      {as_http2(80),
       STREAM("\0\0\1\4\1\0\0\0\0x\0\0\0"
              "123456\0\0\0z"),
       "[\\x04\\x01\\x00\\x00\\x00\\x00x][123456]more"},
      {as_http2(6),
       STREAM("\0\0\0"
              "123456"
              "\0\0\1"),
       "[123456]too long"},
  };
  check_samples(samples, COUNT(samples));
}

static void splits_by_digits(void) {
  const struct sample samples[] = {
      {by_length("hex4", 80), STREAM("0003one0000000Ahost:adb-z00"), "[one][][host:adb-z]more"},
      {by_length("hex8", 80), STREAM("00000003one0000000ax"), "[one]more"},
      {by_length("hex4", 80), STREAM("0003one0X"), "[one]malformed"},
      {by_length("hex4", 80), STREAM("003 "), "malformed"},
      {by_length("hex4", 80), STREAM("ffff"), "too long"},
      {as_git(80), STREAM("0007one000000040001"), "[one][][][]end"},
  };
  check_samples(samples, COUNT(samples));
}

static void splits_by_varints(void) {
  const struct sample samples[] = {
      {by_length("varint", 200), STREAM("\3one\0\1x\x80"), "[one][][x]more"},
      {by_length("varint", 80), STREAM("\x83\x80\0one"), "[one]end"}, /* longer than it has to be */
      {by_length("varint", 80), STREAM("\x81\1"), "too long"},
      {by_length("varint", 80), STREAM("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), "too long"},
      {by_length("varint", 80), STREAM("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), "malformed"},
      {by_length("varint", 80), STREAM("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), "malformed"},
      {by_length("varint", 80), STREAM("\x80\x80\x80\x80\x80\x80\x80\x80\x80"), "more"},
      {as_mqtt(80), STREAM("\x30\3one\xc0\0\x30"), "[one][]more"},
  };
  check_samples(samples, COUNT(samples));
}

static void splits_netstrings(void) {
  const struct sample samples[] = {
      {by_netstring(80), STREAM("5:hello,0:,12:hello world!,3:on"), "[hello][][hello world!]more"},
      {by_netstring(80), STREAM("3:,,,,1:::"), "[,,,]malformed"},
      {by_netstring(10), STREAM("10:0123456789,11:"), "[0123456789]too long"},
      {by_netstring(10), STREAM("11"), "too long"},
      {by_netstring(9), STREAM("9:123456789,1"), "[123456789]more"},
      {by_netstring(9), STREAM("10"), "too long"},
      {by_netstring(1), STREAM("1:x,2"), "[x]too long"},
      {by_netstring(80), STREAM("0:,00:,"), "[]malformed"},
      {by_netstring(80), STREAM("01:x,"), "malformed"},
      {by_netstring(80), STREAM(":,"), "malformed"},
      {by_netstring(80), STREAM("+1:x,"), "malformed"},
      {by_netstring(80), STREAM("1 :x,"), "malformed"},
      {by_netstring(80), STREAM("1:xy,"), "malformed"},
      {by_netstring(80), STREAM("5"), "more"},
      {by_netstring(80), STREAM("5:hello"), "more"},
  };
  check_samples(samples, COUNT(samples));
}

static void splits_fixed_sizes(void) {
  const struct sample samples[] = {
      {by_size(3), STREAM("onetwo\0\n\rfo"), "[one][two][\\x00\\x0a\\x0d]more"},
      {by_size(1), STREAM("abc"), "[a][b][c]end"},
      {by_size(80), STREAM("too short"), "more"},
  };
  check_samples(samples, COUNT(samples));
}

/* --- Limits and what the answer tells ------------------------------------------------------ */

static enum frame_result first(struct frame_format format, const char *bytes, size_t size,
                               struct frame_slice *slice) {
  size_t scanned = 0;
  *slice = (struct frame_slice){0};
  return frame_next(&format, &scanned, bytes, size, slice);
}

static void judges_hostile_lengths_at_once(void) {
  struct frame_slice slice;
  size_t mib = 1048576;
  CHECK(first(by_length("u32be", mib), STREAM("\xff\xff\xff\xff"), &slice) == FRAME_TOO_LONG);
  CHECK(first(by_length("u32le", mib), STREAM("\x01\0\x10\0"), &slice) == FRAME_TOO_LONG);
  CHECK(first(by_length("u32le", mib), STREAM("\0\0\x10\0"), &slice) == FRAME_MORE);
  CHECK_NUMBER(slice.needed, 1048580);
  CHECK(first(by_length("u64be", mib), STREAM("\xff\xff\xff\xff\xff\xff\xff\xff"), &slice) ==
        FRAME_TOO_LONG);
  struct frame_format adjusted = by_length("u64be", FRAME_MESSAGE_BYTES_MAX);
  adjusted.adjust = 255;
  CHECK(first(adjusted, STREAM("\xff\xff\xff\xff\xff\xff\xff\xff"), &slice) == FRAME_TOO_LONG);
  CHECK(first(adjusted, STREAM("\x3f\xff\xff\xff\xff\xff\xff\xff"), &slice) == FRAME_TOO_LONG);
  CHECK(first(by_netstring(mib), STREAM("1048577"), &slice) == FRAME_TOO_LONG);
  CHECK(first(by_netstring(mib), STREAM("1048576:"), &slice) == FRAME_MORE);
  CHECK_NUMBER(slice.needed, 1048576 + 9);
  CHECK(first(by_netstring(FRAME_MESSAGE_BYTES_MAX), STREAM("99999999999999999999999999999999"),
              &slice) == FRAME_TOO_LONG);
  CHECK(first(by_length("u32be", FRAME_MESSAGE_BYTES_MAX), STREAM("\xff\xff\xff\xff"), &slice) ==
        FRAME_MORE);
  CHECK(first(by_line(FRAME_MESSAGE_BYTES_MAX), STREAM("x\n"), &slice) == FRAME_MESSAGE);
}

static void refuses_a_length_below_its_header(void) {
  struct frame_slice slice;
  CHECK(first(with_header_counted("u16be", 80), STREAM("\0\1"), &slice) == FRAME_MALFORMED);
  CHECK_CONTAINS(slice.fault, "less than the header");
  CHECK(first(with_header_counted("u16be", 80), STREAM("\0\2"), &slice) == FRAME_MESSAGE);
  CHECK(first(as_postgres(80), STREAM("Q\0\0\0\3"), &slice) == FRAME_MALFORMED);
  CHECK(first(as_git(80), STREAM("0001"), &slice) == FRAME_MESSAGE);
  CHECK(slice.is_mark && slice.consumed == 4);
  CHECK(first(as_git(80), STREAM("0004"), &slice) == FRAME_MESSAGE);
  CHECK(!slice.is_mark);
}

static void says_what_is_malformed(void) {
  struct frame_slice slice;
  CHECK(first(by_netstring(80), STREAM("05:"), &slice) == FRAME_MALFORMED);
  CHECK_CONTAINS(slice.fault, "leading zero");
  CHECK(first(by_netstring(80), STREAM("x"), &slice) == FRAME_MALFORMED);
  CHECK_CONTAINS(slice.fault, "digits");
  CHECK(first(by_netstring(80), STREAM("1:xx"), &slice) == FRAME_MALFORMED);
  CHECK_CONTAINS(slice.fault, "comma");
}

/* What was searched once is not searched again, or a line in many pieces costs their square. */
static void goes_on_where_it_stopped(void) {
  char bytes[] = "0123456789";
  struct frame_format line = by_line(80);
  struct frame_format pair = by_delimiter("ab", 80);
  struct frame_slice slice;
  size_t scanned = 0;
  CHECK(frame_next(&line, &scanned, bytes, 10, &slice) == FRAME_MORE);
  CHECK_NUMBER(scanned, 10);
  CHECK_NUMBER(slice.needed, 11);
  scanned = 0;
  CHECK(frame_next(&pair, &scanned, bytes, 1, &slice) == FRAME_MORE);
  CHECK_NUMBER(scanned, 0);
  CHECK_NUMBER(slice.needed, 2);
  CHECK(frame_next(&pair, &scanned, bytes, 10, &slice) == FRAME_MORE);
  CHECK_NUMBER(scanned, 9);
  CHECK_NUMBER(slice.needed, 11);
}

/* --- Wrapping ------------------------------------------------------------------------------ */

/* What a peer gets, shown as a message is; or why there is nothing. */
static void wrapped(struct frame_format format, const char *prefix, const char *message,
                    size_t size, struct transcript *out) {
  struct frame_wrapping wrapping;
  *out = (struct transcript){.size = 0};
  const char *fault = frame_wrap(&format, prefix, strlen(prefix), message, size, &wrapping);
  if (fault) {
    note(out, fault);
    return;
  }
  note_message(out, wrapping.header, wrapping.header_size);
  note_message(out, message, size);
  note_message(out, wrapping.trailer, wrapping.trailer_size);
}

#define CHECK_WRAPPED(format, prefix, message, expected)                                           \
  do {                                                                                             \
    struct transcript check_seen;                                                                  \
    wrapped((format), (prefix), STREAM(message), &check_seen);                                     \
    CHECK_CONTAINS(check_seen.text, (expected));                                                   \
  } while (0)

static void wraps_messages(void) {
  CHECK_WRAPPED(by_line(80), "", "one", "[][one][\\x0a]");
  CHECK_WRAPPED(by_delimiter("\r\n", 80), "", "one", "[][one][\\x0d\\x0a]");
  CHECK_WRAPPED(by_length("u8", 80), "", "one", "[\\x03][one][]");
  CHECK_WRAPPED(by_length("u16le", 80), "", "one", "[\\x03\\x00][one][]");
  CHECK_WRAPPED(by_length("u32be", 80), "", "one", "[\\x00\\x00\\x00\\x03][one][]");
  CHECK_WRAPPED(with_prefix(80), "abc", "one", "[abc\\x00\\x03][one][]");
  CHECK_WRAPPED(with_header_counted("u16be", 80), "", "", "[\\x00\\x02][][]");
  CHECK_WRAPPED(as_postgres(80), "Q", "one", "[Q\\x00\\x00\\x00\\x07][one][]");
  CHECK_WRAPPED(by_netstring(80), "", "hello", "[5:][hello][,]");
  CHECK_WRAPPED(by_crlf(80), "", "one", "[][one][\\x0d\\x0a]");
  CHECK_WRAPPED(by_length("u24be", 80), "", "one", "[\\x00\\x00\\x03][one][]");
  CHECK_WRAPPED(by_length("u64le", 80), "", "one", "[\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00]");
  CHECK_WRAPPED(by_length("hex4", 80), "", "a message of 26 bytes long", "[001a][a ");
  CHECK_WRAPPED(as_git(80), "", "one", "[0007][one][]");
  CHECK_WRAPPED(as_git(80), "0000", "", "[0000][][]");
  CHECK_WRAPPED(as_http2(80), "", "123456x", "[\\x00\\x00\\x01][123456x][]");
  CHECK_WRAPPED(as_mqtt(80), "\x30", "one", "[0\\x03][one][]");
  CHECK_WRAPPED(by_size(3), "", "one", "[][one][]");
}

static void refuses_what_would_not_come_back(void) {
  CHECK_WRAPPED(by_line(80), "", "one\ntwo", "contains a line feed");
  CHECK_WRAPPED(by_line(80), "", "one\r", "ends with a carriage return");
  CHECK_WRAPPED(by_delimiter("--", 80), "", "one--two", "contains the delimiter");
  CHECK_WRAPPED(by_delimiter("--", 80), "", "one-", "found too early");
  CHECK_WRAPPED(by_delimiter("abab", 80), "", "ab", "found too early");
  CHECK_WRAPPED(by_delimiter("aab", 80), "", "aa", "[][aa][aab]");
  CHECK_WRAPPED(by_size(3), "", "four", "fixed size");
  CHECK_WRAPPED(with_prefix(80), "", "one", "needs a prefix");
  CHECK_WRAPPED(by_line(80), "x", "one", "only a frame by length carries");
  CHECK_WRAPPED(by_crlf(80), "", "one\r", "ends with a carriage return");
  CHECK_WRAPPED(as_http2(80), "", "12345", "is shorter than");
  CHECK_WRAPPED(as_git(80), "0004", "", "no offset");
  CHECK_WRAPPED(as_git(80), "0000", "x", "no offset");
}

/* Sizes only: nothing of the message is read when its length alone decides. */
static const char *fault_of_size(struct frame_format format, size_t size) {
  struct frame_wrapping wrapping;
  const char *fault = frame_wrap(&format, "", 0, "", size, &wrapping);
  return fault ? fault : "none";
}

static void refuses_what_a_length_cannot_say(void) {
  CHECK_TEXT(fault_of_size(by_length("u8", 1), 255), "none");
  CHECK_CONTAINS(fault_of_size(by_length("u8", 1), 256), "counts to 255");
  CHECK_TEXT(fault_of_size(with_header_counted("u8", 1), 254), "none");
  CHECK_CONTAINS(fault_of_size(with_header_counted("u8", 1), 255), "counts to 255");
  CHECK_TEXT(fault_of_size(by_length("u16le", 1), 65535), "none");
  CHECK_CONTAINS(fault_of_size(by_length("u16be", 1), 65536), "counts to 65535");
  CHECK_TEXT(fault_of_size(by_length("u24be", 1), 16777215), "none");
  CHECK_CONTAINS(fault_of_size(by_length("u24le", 1), 16777216), "counts to 16777215");
  CHECK_CONTAINS(fault_of_size(by_length("hex4", 1), 65536), "counts to 65535");
  CHECK_TEXT(fault_of_size(by_length("varint", 1), SIZE_MAX), "none");
  CHECK_TEXT(fault_of_size(by_length("u64be", 1), SIZE_MAX), "none");
  CHECK_TEXT(fault_of_size(by_length("u32be", 1), 4294967295), "none");
#if SIZE_MAX > UINT32_MAX
  CHECK_CONTAINS(fault_of_size(by_length("u32le", 1), 4294967296), "counts to 4294967295");
#endif
  CHECK_CONTAINS(fault_of_size(with_header_counted("u32le", 1), 4294967292), "counts to");
}

/* Random messages through every format and a receiver that gets them in random pieces. */
static void check_round_trip(struct frame_format format, uint64_t *random) {
  static const char letters[] = "ab-\r\n\0:,";
  const char *prefix = "prefix of twenty-eight bytes";
  char stream[2048];
  size_t stream_size = 0;
  struct transcript sent = {.size = 0};
  for (int round = 0; round < 20; round++) {
    char text[40];
    size_t size = format.kind == FRAME_BY_SIZE ? format.fixed_size : next_random(random) % 40;
    for (size_t i = 0; i < size; i++) text[i] = letters[next_random(random) % sizeof letters];
    struct frame_wrapping wrapping;
    if (frame_wrap(&format, prefix, format.prefix_size, text, size, &wrapping)) continue;
    memcpy(stream + stream_size, wrapping.header, wrapping.header_size);
    stream_size += wrapping.header_size;
    memcpy(stream + stream_size, text, size);
    stream_size += size;
    memcpy(stream + stream_size, wrapping.trailer, wrapping.trailer_size);
    stream_size += wrapping.trailer_size;
    note_message(&sent, text, size);
  }
  note(&sent, "end");
  struct transcript seen;
  receive(&format, stream, stream_size, cut_at_random, random, &seen);
  CHECK_TEXT(seen.text, sent.text);
}

static void gives_back_what_was_sent(void) {
  struct frame_format longest_prefix = by_length("u32le", 40);
  longest_prefix.prefix_size = FRAME_PREFIX_BYTES_MAX;
  longest_prefix.header_counted = FRAME_PREFIX_BYTES_MAX + 4;
  const struct frame_format formats[] = {
      by_line(40),
      by_delimiter("\n", 40),
      by_delimiter("a", 40),
      by_delimiter("aa", 40),
      by_delimiter("aba", 40),
      by_delimiter("\r\n\r\n", 40),
      by_length("u8", 40),
      by_length("u16be", 40),
      by_length("u16le", 40),
      by_length("u32be", 40),
      by_length("u32le", 40),
      with_prefix(40),
      as_postgres(40),
      with_header_counted("u8", 40),
      longest_prefix,
      by_crlf(40),
      by_length("u24le", 40),
      by_length("u64be", 40),
      by_length("hex8", 40),
      by_length("varint", 40),
      as_http2(40),
      as_git(40),
      as_mqtt(40),
      by_netstring(40),
      by_size(7),
  };
  uint64_t random = 19991231;
  for (int round = 0; round < 100; round++) {
    for (size_t i = 0; i < COUNT(formats); i++) check_round_trip(formats[i], &random);
  }
}

/* --- Formats that cannot be ---------------------------------------------------------------- */

static void names_what_is_wrong_with_a_format(void) {
  struct frame_format format = by_line(0);
  CHECK_CONTAINS(frame_format_fault(&format), "longest message");
  format = by_line(FRAME_MESSAGE_BYTES_MAX + 1);
  CHECK_CONTAINS(frame_format_fault(&format), "longest message");
  format = by_delimiter("", 80);
  CHECK_CONTAINS(frame_format_fault(&format), "1 to 64");
  format.delimiter_size = FRAME_DELIMITER_BYTES_MAX + 1;
  CHECK_CONTAINS(frame_format_fault(&format), "1 to 64");
  format = by_length("u16be", 80);
  CHECK_TEXT(frame_format_fault(&format), NULL);
  format.header_counted = 3;
  CHECK_CONTAINS(frame_format_fault(&format), "includes_header");
  format.prefix_size = FRAME_PREFIX_BYTES_MAX + 1;
  CHECK_CONTAINS(frame_format_fault(&format), "0 to 28");
  format.length_size = 5;
  CHECK_CONTAINS(frame_format_fault(&format), "u32be");
  format = by_length("varint", 80);
  format.header_counted = 1;
  CHECK_CONTAINS(frame_format_fault(&format), "must not count a varint");
  format = as_http2(5);
  CHECK_CONTAINS(frame_format_fault(&format), "adjust must be no more than");
  format = by_size(80);
  format.message_bytes_max = 79;
  CHECK_CONTAINS(frame_format_fault(&format), "no more than limits.message");
}

static void knows_the_names_of_lengths(void) {
  static const char *const unknown[] = {"", "u16", "u8be", "hex2", "U8", "u16be ", "i32le"};
  struct frame_format format = {.length_size = 7};
  for (size_t i = 0; i < COUNT(unknown); i++) {
    CHECK(!frame_format_set_length(&format, unknown[i]));
    CHECK_NUMBER(format.length_size, 7);
  }
}

static const struct check_case cases[] = {
    {"lines come out whole, however they were cut", splits_lines},
    {"delimited messages come out whole, however they were cut", splits_at_delimiters},
    {"messages with a length come out whole, however they were cut", splits_by_length},
    {"messages with a length in digits come out whole, however they were cut", splits_by_digits},
    {"messages with a varint come out whole, however they were cut", splits_by_varints},
    {"netstrings come out whole, or not at all, however they were cut", splits_netstrings},
    {"messages of one size come out whole, however they were cut", splits_fixed_sizes},
    {"a hostile length is refused when it is read, not when it is filled",
     judges_hostile_lengths_at_once},
    {"a length that is less than the header it counts is malformed",
     refuses_a_length_below_its_header},
    {"a malformed frame has its reason", says_what_is_malformed},
    {"bytes that were searched are not searched again", goes_on_where_it_stopped},
    {"a message gets its header and its trailer", wraps_messages},
    {"a message that would come back different is refused", refuses_what_would_not_come_back},
    {"a message longer than its length field can say is refused", refuses_what_a_length_cannot_say},
    {"what was sent comes back, in every format", gives_back_what_was_sent},
    {"an impossible format is refused with what to write", names_what_is_wrong_with_a_format},
    {"only the lengths there are have names", knows_the_names_of_lengths},
};
CHECK_MAIN(cases)
