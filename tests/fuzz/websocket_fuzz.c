/* websocket_fuzz.c — any bytes as frames of WebSocket: the same answer wherever they are cut, and that of a
 * slower reader.
 *
 * An input is a byte of flags (1: it comes from a server, 2: deflating was agreed upon), a byte that gives
 * the longest message, a byte that says how the rest is cut, and the rest: what a peer sends. */
#include "expect.h"
#include "fuzz.h"

#include "base/websocket.h"

enum { STREAM_BYTES_MAX = 4096, EVENTS_MAX = STREAM_BYTES_MAX };

struct input {
  bool is_client;
  bool deflates;
  uint64_t message_bytes_max;
  unsigned cuts;
  const uint8_t *stream;
  size_t size;
};

/* What a stream amounts to: what is told of it, in order, and how it ends. */
struct told {
  char bytes[2 * STREAM_BYTES_MAX + 4 * EVENTS_MAX];
  size_t size;
  unsigned code; /* 0: it was not refused */
};

static bool read_input(const uint8_t *data, size_t size, struct input *input) {
  if (size < 3 || size - 3 > STREAM_BYTES_MAX) return false;
  *input = (struct input){
      .is_client = data[0] & 1,
      .deflates = data[0] & 2,
      .message_bytes_max = data[1] < 128 ? data[1] : 1u << (data[1] & 31),
      .cuts = data[2],
      .stream = data + 3,
      .size = size - 3,
  };
  return true;
}

static void tell(struct told *told, const void *bytes, size_t size) {
  MUST(told->size + size <= sizeof told->bytes);
  if (size > 0) memcpy(told->bytes + told->size, bytes, size);
  told->size += size;
}

static void tell_end(struct told *told, unsigned opcode, bool is_deflated) {
  const uint8_t mark[3] = {0xff, (uint8_t)opcode, is_deflated};
  tell(told, mark, sizeof mark);
}

/* --- Slowly -------------------------------------------------------------------------------- */

/* Whether any bytes behind the first `known` ones would make a character of them. */
UNTRACED static bool may_begin(const uint8_t *bytes, size_t known) {
  for (unsigned second = 0x80; second <= 0xbf; second++) {
    uint8_t tried[4] = {bytes[0], (uint8_t)second, 0x80, 0x80};
    if (known > 1 && second != bytes[1]) continue;
    for (size_t i = 2; i < known; i++) tried[i] = bytes[i];
    if (expect_utf8(tried, sizeof tried) > 1) return true;
  }
  return false;
}

/* Whether it is text, or, when it does not end here, what text may begin with. */
UNTRACED static bool is_text(const uint8_t *bytes, size_t size, bool is_end) {
  size_t i = 0;
  for (size_t length = 1; i < size && length > 0; i += length) {
    length = expect_utf8(bytes + i, size - i);
    if (length == 0) return !is_end && size - i < 4 && may_begin(bytes + i, size - i);
  }
  return true;
}

struct slow {
  const struct input *input;
  struct told *told;
  uint8_t message[STREAM_BYTES_MAX];
  size_t size;
  unsigned kind;
  bool is_deflated;
};

/* Appends to the message; false when its text is bad. */
UNTRACED static bool slow_append(struct slow *slow, const uint8_t *bytes, size_t size,
                                 const uint8_t *mask, bool is_end) {
  for (size_t i = 0; i < size; i++) slow->message[slow->size + i] = bytes[i] ^ mask[i % 4];
  slow->size += size;
  if (slow->kind == 1 && !slow->is_deflated && !is_text(slow->message, slow->size, is_end)) {
    return false;
  }
  tell(slow->told, slow->message + slow->size - size, size);
  if (is_end) tell_end(slow->told, slow->kind, slow->is_deflated);
  return true;
}

struct slow_head {
  bool is_last, is_deflated;
  unsigned opcode;
  uint64_t length;
  size_t size; /* 0: there is not enough of it */
  const uint8_t *mask;
};

/* Whether its first two bytes may be. */
UNTRACED static bool slow_may_be(const struct slow *slow, const uint8_t *at) {
  const struct input *input = slow->input;
  unsigned opcode = at[0] & 15;
  bool is_control = opcode > 7, is_masked = at[1] >> 7;
  if (at[0] & 0x30 || (opcode > 2 && opcode < 8) || opcode > 10) return false;
  if (at[0] & 0x40 && (!input->deflates || opcode == 0 || is_control)) return false;
  if (is_masked == input->is_client) return false;
  if (is_control) return at[0] & 0x80 && (at[1] & 127) <= 125;
  return (opcode == 0) == (slow->kind != 0);
}

/* False when the length is none. */
UNTRACED static bool slow_read_head(const uint8_t *at, size_t left, struct slow_head *head) {
  static const uint8_t no_mask[4];
  unsigned short_length = at[1] & 127;
  size_t extra = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  bool is_masked = at[1] >> 7;
  *head = (struct slow_head){
      .is_last = at[0] >> 7, .is_deflated = at[0] >> 6 & 1, .opcode = at[0] & 15};
  if (left < 2 + extra) return true;
  head->length = extra == 0 ? short_length : 0;
  for (size_t i = 0; i < extra; i++) head->length = head->length * 256 + at[2 + i];
  if (head->length >= UINT64_C(1) << 63) return false;
  if ((extra == 2 && head->length < 126) || (extra == 8 && head->length < 65536)) return false;
  if (left < 2 + extra + (is_masked ? 4 : 0)) return true;
  head->size = 2 + extra + (is_masked ? 4 : 0);
  head->mask = is_masked ? at + 2 + extra : no_mask;
  return true;
}

/* What is there of a payload; how much that is in *used. Returns a code, or 0. */
UNTRACED static unsigned slow_read_payload(struct slow *slow, const struct slow_head *head,
                                           const uint8_t *at, size_t left, size_t *used) {
  *used = left < head->length ? left : (size_t)head->length;
  if (head->opcode > 7) {
    uint8_t payload[125];
    if (left < head->length) return 0;
    for (size_t i = 0; i < *used; i++) payload[i] = at[i] ^ head->mask[i % 4];
    tell(slow->told, payload, *used);
    tell_end(slow->told, head->opcode, false);
    return 0;
  }
  if (head->opcode != 0) {
    slow->kind = head->opcode;
    slow->size = 0;
    slow->is_deflated = head->is_deflated;
  }
  if (head->length > slow->input->message_bytes_max - slow->size) return 1009;
  bool is_end = head->is_last && *used == head->length;
  if (!slow_append(slow, at, *used, head->mask, is_end)) return 1007;
  if (is_end) slow->kind = 0;
  return 0;
}

UNTRACED static unsigned slow_read(struct slow *slow) {
  const uint8_t *at = slow->input->stream;
  size_t left = slow->input->size;
  while (left >= 2) {
    struct slow_head head;
    size_t used;
    if (!slow_may_be(slow, at) || !slow_read_head(at, left, &head)) return 1002;
    if (head.size == 0) return 0;
    at += head.size;
    left -= head.size;
    unsigned code = slow_read_payload(slow, &head, at, left, &used);
    if (code != 0 || used < head.length) return code;
    at += used;
    left -= used;
  }
  return 0;
}

/* --- As it is ------------------------------------------------------------------------------ */

struct receiver {
  const struct input *input;
  struct websocket_reader reader;
  struct told told;
  size_t start;
};

/* Asks with what arrived in a block of its own, so that reading past it is found out. True when there may
 * be more. */
static bool take(struct receiver *receiver, size_t arrived) {
  size_t size = arrived - receiver->start;
  char *bytes = malloc(size > 0 ? size : 1);
  struct websocket_event event;
  MUST(bytes != NULL);
  if (size > 0) memcpy(bytes, receiver->input->stream + receiver->start, size);
  enum websocket_result result =
      websocket_next(&receiver->reader, receiver->input->message_bytes_max, bytes, size, &event);
  bool goes_on = result == WEBSOCKET_DATA || result == WEBSOCKET_CONTROL;
  if (result == WEBSOCKET_MORE) {
    MUST(size < WEBSOCKET_HEAD_BYTES_MAX + WEBSOCKET_CONTROL_BYTES_MAX);
    MUST(event.used == 0);
  }
  if (goes_on) {
    MUST(event.used <= size && event.size <= event.used && event.used > 0);
    char *to = malloc(event.size > 0 ? event.size : 1);
    MUST(to != NULL);
    if (result == WEBSOCKET_CONTROL) {
      MUST(event.size <= WEBSOCKET_CONTROL_BYTES_MAX && event.opcode >= WEBSOCKET_CLOSE);
      if (receiver->input->is_client) {
        if (event.size > 0) memcpy(to, event.payload, event.size);
      } else {
        websocket_mask(to, event.payload, event.size, event.key, 0);
      }
      tell(&receiver->told, to, event.size);
      tell_end(&receiver->told, event.opcode, false);
    } else if (websocket_take(&receiver->reader, &event, to)) {
      MUST(receiver->reader.message_bytes <= receiver->input->message_bytes_max);
      tell(&receiver->told, to, event.size);
      if (event.is_last) tell_end(&receiver->told, event.opcode, event.is_deflated);
    } else {
      goes_on = false;
    }
    free(to);
    receiver->start += event.used;
  }
  if (!goes_on && result != WEBSOCKET_MORE) {
    MUST(event.fault != NULL && event.code > 0);
    receiver->told.code = event.code;
  }
  free(bytes);
  return goes_on;
}

static size_t next_piece(uint32_t *state) {
  if (*state == 0) return 1;
  *state = *state * 1664525 + 1013904223;
  unsigned random = *state >> 16;
  return 1 + (random & 3 ? random >> 8 & 7 : random >> 2 & 255);
}

static void read_pieces(struct receiver *receiver, bool is_cut) {
  uint32_t cuts = receiver->input->cuts;
  size_t size = receiver->input->size;
  for (size_t arrived = 0; arrived < size && receiver->told.code == 0;) {
    arrived = is_cut ? arrived + next_piece(&cuts) : size;
    if (arrived > size) arrived = size;
    while (take(receiver, arrived)) {
    }
  }
}

/* Text that is bad is told of the piece it is in: what was told before may end earlier. */
static void check_same(const struct told *expected, const struct told *told) {
  MUST(told->code == expected->code);
  size_t size = told->size < expected->size ? told->size : expected->size;
  if (expected->code != WEBSOCKET_BAD_TEXT) MUST(told->size == expected->size);
  MUST(memcmp(told->bytes, expected->bytes, size) == 0);
}

/* What is written can be read. */
static void check_written(const struct input *input) {
  static const uint8_t key[WEBSOCKET_KEY_BYTES] = {0xa5, 0x5a, 0x01, 0x80};
  struct websocket_frame frame = {.opcode = WEBSOCKET_BINARY,
                                  .is_more = input->cuts & 1,
                                  .is_deflated = input->deflates,
                                  .key = input->is_client ? NULL : key,
                                  .size = input->size};
  char bytes[WEBSOCKET_HEAD_BYTES_MAX + STREAM_BYTES_MAX];
  struct websocket_event event;
  struct websocket_reader reader = {.is_client = input->is_client, .deflates = input->deflates};
  size_t head = websocket_write_head(&frame, bytes);
  if (frame.key) {
    websocket_mask(bytes + head, (const char *)input->stream, input->size, key, 0);
  } else if (input->size > 0) {
    memcpy(bytes + head, input->stream, input->size);
  }
  MUST(websocket_next(&reader, STREAM_BYTES_MAX, bytes, head + input->size, &event) ==
       WEBSOCKET_DATA);
  MUST(event.used == head + input->size && event.is_first && event.is_last == !frame.is_more);
  MUST(websocket_take(&reader, &event, bytes));
  MUST(input->size == 0 || memcmp(bytes, input->stream, input->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct told expected;
  static struct slow slow;
  static struct receiver whole, cut;
  static struct input input;
  if (!read_input(data, size, &input)) return -1;
  expected.size = 0, expected.code = 0;
  slow.input = &input, slow.told = &expected, slow.kind = 0, slow.size = 0;
  expected.code = slow_read(&slow);
  struct receiver *receivers[] = {&whole, &cut};
  for (size_t i = 0; i < 2; i++) {
    receivers[i]->input = &input;
    receivers[i]->reader =
        (struct websocket_reader){.is_client = input.is_client, .deflates = input.deflates};
    receivers[i]->told.size = 0, receivers[i]->told.code = 0;
    receivers[i]->start = 0;
    read_pieces(receivers[i], i == 1);
    check_same(&expected, &receivers[i]->told);
  }
  check_written(&input);
  return 0;
}
