/* http_fuzz.c — any bytes as a connection of HTTP, in any pieces — does not know what is right.
 *
 * What it knows is what must always be: pieces change nothing, all that is given out lies inside of
 * what has arrived, a head that is read has no byte and no field that no head may have, and one that
 * is written again from its parts reads as the same.
 *
 * An input is three bytes and a stream:
 *   0  modulo 3: requests, responses, responses to HEAD
 *   1  the most bytes of a head, in steps of 16; 0: the default
 *   2  how the stream is cut: 0 before each byte, or the seed of what decides */
#include "fuzz.h"

#include "base/http.h"

#include <string.h>

enum { STREAM_BYTES_MAX = 2048, EVENTS_MAX = 256 };

struct input {
  unsigned kind;
  struct http_limits limits;
  uint32_t cuts;
  const char *stream;
  size_t size;
};

static bool read_input(const uint8_t *data, size_t size, struct input *input) {
  if (size < 3) return false;
  if (size > 3 + STREAM_BYTES_MAX) size = 3 + STREAM_BYTES_MAX;
  size_t head_bytes_max = data[1] == 0 ? HTTP_HEAD_BYTES_DEFAULT : data[1] * 16U;
  *input = (struct input){.kind = data[0] % 3,
                          .limits = {head_bytes_max},
                          .cuts = data[2],
                          .stream = (const char *)data + 3,
                          .size = size - 3};
  return true;
}

static enum http_result read_head(const struct input *input, size_t *scanned, const char *bytes,
                                  size_t size, struct http_head *head) {
  if (input->kind == 0) return http_read_request(&input->limits, scanned, bytes, size, head);
  return http_read_response(&input->limits, scanned, bytes, size, input->kind == 2, head);
}

/* --- A head that was read ------------------------------------------------------------------ */

static void check_span(const struct http_head *head, struct http_span span) {
  MUST(span.at <= head->size && span.size <= head->size - span.at);
}

/* CR and LF only as one line end, and no other control character but HTAB. */
static void check_bytes(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if (byte == '\r') MUST(i + 1 < size && bytes[i + 1] == '\n');
    if (byte == '\n') MUST(i > 0 && bytes[i - 1] == '\r');
    MUST(byte >= ' ' || byte == '\r' || byte == '\n' || byte == '\t');
    MUST(byte != 0x7f);
  }
}

static unsigned count_of(const char *bytes, const struct http_head *head, const char *name) {
  struct http_span value;
  size_t at = 0;
  unsigned count = 0;
  while (http_find_field(bytes, head, &at, name, strlen(name), &value)) count++;
  return count;
}

/* What two readers could read differently is not there. */
static void check_framing(const char *bytes, const struct http_head *head, bool request) {
  unsigned lengths = count_of(bytes, head, "content-length");
  unsigned codings = count_of(bytes, head, "transfer-encoding");
  unsigned hosts = count_of(bytes, head, "host");
  MUST(lengths + codings <= 1);
  MUST(!request || hosts <= 1);
  MUST(!request || hosts == 1 || head->minor == 0);
  MUST(codings == 0 || head->minor == 1);
  MUST(head->framing != HTTP_CHUNKED || codings == 1);
  MUST(head->framing != HTTP_BY_LENGTH || (lengths == 1 && head->body_size > 0));
  MUST(head->framing != HTTP_BY_CLOSE || !request);
  if (request) MUST((codings == 1) == (head->framing == HTTP_CHUNKED));
  MUST(count_of(bytes, head, "content_length") + count_of(bytes, head, "transfer_encoding") == 0);
}

static bool same_span(const char *one, struct http_span a, const char *other, struct http_span b) {
  return a.size == b.size && memcmp(one + a.at, other + b.at, a.size) == 0;
}

static size_t put(char *out, const char *bytes, struct http_span span) {
  memcpy(out, bytes + span.at, span.size);
  return span.size;
}

static size_t put_text(char *out, const char *text) {
  size_t size = strlen(text);
  memcpy(out, text, size);
  return size;
}

static size_t put_first_line(char *out, const char *bytes, const struct http_head *head,
                             bool request) {
  size_t size = 0;
  if (request) {
    size += put(out + size, bytes, head->method);
    size += put_text(out + size, " ");
    size += put(out + size, bytes, head->target);
    size += put_text(out + size, head->minor == 1 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    return size;
  }
  size += (size_t)snprintf(out, 32, "HTTP/1.%u %u ", head->minor, head->status);
  size += put(out + size, bytes, head->reason);
  size += put_text(out + size, "\r\n");
  return size;
}

/* The head from its parts, which takes no more than a blank for each field that had none. */
static size_t write_head(char *out, const char *bytes, const struct http_head *head, bool request) {
  size_t size = put_first_line(out, bytes, head, request);
  size_t at = 0;
  unsigned count = 0;
  struct http_span name;
  struct http_span value;
  while (http_next_field(bytes, head, &at, &name, &value)) {
    check_span(head, name);
    check_span(head, value);
    MUST(http_is_token(bytes + name.at, name.size));
    MUST(http_is_value(bytes + value.at, value.size));
    size += put(out + size, bytes, name);
    size += put_text(out + size, ": ");
    size += put(out + size, bytes, value);
    size += put_text(out + size, "\r\n");
    count++;
  }
  MUST(count == head->field_count && count <= HTTP_FIELDS_MAX);
  return size + put_text(out + size, "\r\n");
}

static void check_again(const struct input *input, const char *bytes,
                        const struct http_head *head) {
  static char again[STREAM_BYTES_MAX + 2 * HTTP_FIELDS_MAX + 64];
  size_t size = write_head(again, bytes, head, input->kind == 0);
  struct input wider = *input;
  wider.limits.head_bytes_max = sizeof again;
  struct http_head other;
  size_t scanned = 0;
  MUST(read_head(&wider, &scanned, again, size, &other) == HTTP_HEAD);
  MUST(other.size == size && other.minor == head->minor && other.status == head->status);
  MUST(same_span(bytes, head->method, again, other.method));
  MUST(same_span(bytes, head->target, again, other.target));
  MUST(same_span(bytes, head->reason, again, other.reason));
  MUST(other.field_count == head->field_count && other.framing == head->framing);
  MUST(other.body_size == head->body_size && other.keeps_alive == head->keeps_alive);
  MUST(other.expects_continue == head->expects_continue && other.upgrades == head->upgrades);
}

static void check_head(const struct input *input, const char *bytes, const struct http_head *head) {
  check_span(head, head->method);
  check_span(head, head->target);
  check_span(head, head->reason);
  check_span(head, head->fields);
  MUST(head->size <= input->limits.head_bytes_max);
  check_bytes(bytes, head->size);
  check_framing(bytes, head, input->kind == 0);
  if (input->kind == 0) {
    struct http_span path;
    struct http_span query = {0};
    (void)http_split_target(bytes, head, &path, &query);
    check_span(head, path);
    check_span(head, query);
  }
  check_again(input, bytes, head);
}

/* --- A connection -------------------------------------------------------------------------- */

/* What its reader is told: a head, the end of a body, or how it ended. */
struct event {
  int what;
  size_t at; /* in the stream */
  const char *fault;
};

struct reader {
  const struct input *input;
  size_t start; /* of what is not used up */
  size_t scanned;
  bool in_body;
  bool ended;
  struct http_body body;
  uint32_t hash; /* of the bodies */
  struct event events[EVENTS_MAX];
  size_t count;
};

enum { HEAD_READ, BODY_ENDED, REFUSED, BROKEN };

static void tell(struct reader *reader, int what, const char *fault) {
  if (reader->count == EVENTS_MAX) {
    reader->ended = true;
    return;
  }
  reader->events[reader->count++] = (struct event){what, reader->start, fault};
  reader->ended = what >= REFUSED;
}

/* True: there may be more to do with what is there. */
static bool take_head(struct reader *reader, const char *bytes, size_t size) {
  struct http_head head;
  enum http_result result = read_head(reader->input, &reader->scanned, bytes, size, &head);
  MUST(result != HTTP_MORE || size < reader->input->limits.head_bytes_max);
  if (result == HTTP_MORE) return false;
  if (result == HTTP_REFUSED) {
    MUST(head.fault != NULL && head.status >= 400 && head.status <= 505);
    tell(reader, REFUSED, head.fault);
    return false;
  }
  MUST(reader->scanned == 0 && head.size > 0 && head.size <= size);
  check_head(reader->input, bytes, &head);
  reader->start += head.size;
  http_body_begin(&reader->body, &head);
  reader->in_body = true;
  tell(reader, HEAD_READ, NULL);
  return true;
}

static bool take_body(struct reader *reader, const char *bytes, size_t size) {
  size_t used = 0;
  const char *data = NULL;
  size_t data_size = 0;
  enum http_body_result result =
      http_body_read(&reader->body, bytes, size, &used, &data, &data_size);
  MUST(used <= size);
  reader->start += used;
  switch (result) {
    case HTTP_BODY_DATA:
      MUST(data_size > 0 && data >= bytes && data + data_size <= bytes + used);
      for (size_t i = 0; i < data_size; i++) {
        reader->hash = (reader->hash ^ (unsigned char)data[i]) * 16777619U;
      }
      return true;
    case HTTP_BODY_MORE: MUST(used == size); return false;
    case HTTP_BODY_END:
      reader->in_body = false;
      tell(reader, BODY_ENDED, NULL);
      return true;
    case HTTP_BODY_BROKEN:
      MUST(reader->body.fault != NULL);
      tell(reader, BROKEN, reader->body.fault);
      return false;
  }
  return false;
}

/* With what arrived in a block of its own, so that reading past it is found out. */
static void take(struct reader *reader, size_t arrived) {
  bool more = true;
  while (more && !reader->ended) {
    size_t size = arrived - reader->start;
    char *bytes = malloc(size > 0 ? size : 1);
    MUST(bytes != NULL);
    memcpy(bytes, reader->input->stream + reader->start, size);
    more = reader->in_body ? take_body(reader, bytes, size) : take_head(reader, bytes, size);
    free(bytes);
  }
}

/* The size of the next piece: mostly small ones, which cut more. */
static size_t next_piece(uint32_t *state) {
  if (*state == 0) return 1;
  *state = *state * 1664525 + 1013904223;
  unsigned random = *state >> 16;
  return 1 + (random & 3 ? random >> 8 & 15 : random >> 2 & 255);
}

static void compare(const struct reader *one, const struct reader *other) {
  MUST(one->count == other->count && one->hash == other->hash && one->ended == other->ended);
  for (size_t i = 0; i < one->count; i++) {
    MUST(one->events[i].what == other->events[i].what && one->events[i].at == other->events[i].at);
    MUST(one->events[i].fault == other->events[i].fault);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct reader whole;
  static struct reader pieces;
  struct input input;
  if (!read_input(data, size, &input)) return -1;
  whole = (struct reader){.input = &input};
  pieces = (struct reader){.input = &input};
  take(&whole, input.size);
  uint32_t cuts = input.cuts;
  for (size_t arrived = 0; arrived < input.size && !pieces.ended;) {
    arrived += next_piece(&cuts);
    if (arrived > input.size) arrived = input.size;
    take(&pieces, arrived);
  }
  if (input.size > 0) compare(&whole, &pieces);
  return 0;
}
