/* base/websocket.c — frames of RFC 6455: heads, masks, close codes. Keeps no bytes.
 *
 * The happy path: a head says what follows, a payload comes in as many pieces as the network makes of it,
 * and control frames stand between the fragments of a message. Whatever a head may not say is refused
 * before a byte of its payload is looked at. */
#include "base/websocket.h"

#include <assert.h>
#include <string.h>

bool websocket_code_may_be_sent(unsigned code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

void websocket_mask(char *to, const char *from, size_t size, const uint8_t key[WEBSOCKET_KEY_BYTES],
                    size_t offset) {
  enum { WIDE = 64 };
  typedef uint64_t lane __attribute__((vector_size(16)));
  uint8_t turned[8];
  uint64_t word;
  size_t i = 0;
  for (size_t at = 0; at < sizeof turned; at++) turned[at] = key[(offset + at) % 4];
  memcpy(&word, turned, sizeof word);
  const lane mask = {word, word};
  for (; size - i >= WIDE; i += WIDE) {
    lane lanes[WIDE / sizeof(lane)];
    memcpy(lanes, from + i, sizeof lanes);
    for (size_t at = 0; at < WIDE / sizeof(lane); at++) lanes[at] ^= mask;
    memcpy(to + i, lanes, sizeof lanes);
  }
  for (; size - i >= sizeof word; i += sizeof word) {
    uint64_t piece;
    memcpy(&piece, from + i, sizeof piece);
    piece ^= word;
    memcpy(to + i, &piece, sizeof piece);
  }
  for (; i < size; i++) to[i] = (char)(from[i] ^ turned[i % 4]);
}

/* --- Heads --------------------------------------------------------------------------------- */

/* What the bits of one head say. */
struct websocket_head {
  size_t size;
  uint64_t payload;
  unsigned opcode;
  bool is_last;
  bool is_deflated;
};

static enum websocket_result websocket_refuse(struct websocket_event *event, unsigned code,
                                              const char *fault) {
  event->code = code;
  event->fault = fault;
  return WEBSOCKET_REFUSED;
}

static bool is_control(unsigned opcode) {
  return opcode >= WEBSOCKET_CLOSE;
}

/* What is wrong with the first two bytes, or NULL. */
static const char *bits_fault(const struct websocket_reader *reader,
                              const struct websocket_head *head, unsigned first, unsigned second) {
  bool is_masked = second & 0x80;
  unsigned opcode = head->opcode;
  if (first & 0x30) return "a frame has a reserved bit set";
  if ((opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE) || opcode > WEBSOCKET_PONG) {
    return "a frame has a reserved opcode";
  }
  bool may_deflate = reader->deflates && !is_control(opcode) && opcode != WEBSOCKET_CONTINUATION;
  if (head->is_deflated && !may_deflate) {
    return "a frame has the bit RSV1 set, which was not agreed upon or is not for such a frame";
  }
  if (reader->is_client && is_masked) return "a frame of the server is masked";
  if (!reader->is_client && !is_masked) return "a frame of the client is not masked";
  if (is_control(opcode)) {
    if (!head->is_last) return "a control frame is fragmented";
    if ((second & 0x7f) > WEBSOCKET_CONTROL_BYTES_MAX) {
      return "a control frame is longer than 125 bytes";
    }
    return NULL;
  }
  if (opcode == WEBSOCKET_CONTINUATION && !reader->kind) {
    return "a continuation frame has no message to continue";
  }
  if (opcode != WEBSOCKET_CONTINUATION && reader->kind) {
    return "a message begins within the fragments of another one";
  }
  return NULL;
}

/* Reads the 2 or 8 bytes of a length that does not fit into 7 bits. NULL, or what is wrong with it. */
static const char *read_length(const uint8_t *bytes, size_t size, uint64_t *out) {
  uint64_t length = 0;
  for (size_t i = 0; i < size; i++) length = length << 8 | bytes[i];
  *out = length;
  if (length >> 63) return "a frame's length has its highest bit set";
  if (length < (size == 2 ? 126 : 65536)) return "a frame's length is longer than it needs to be";
  return NULL;
}

/* Answers WEBSOCKET_DATA when `head` is complete; the reader is as before. */
static enum websocket_result read_head(struct websocket_reader *reader, const uint8_t *bytes,
                                       size_t size, struct websocket_head *head,
                                       struct websocket_event *event) {
  if (size < 2) return WEBSOCKET_MORE;
  head->opcode = bytes[0] & 0x0f;
  head->is_last = bytes[0] & 0x80;
  head->is_deflated = bytes[0] & 0x40;
  const char *fault = bits_fault(reader, head, bytes[0], bytes[1]);
  if (fault) return websocket_refuse(event, WEBSOCKET_PROTOCOL_ERROR, fault);
  unsigned length = bytes[1] & 0x7f;
  size_t length_size = length < 126 ? 0 : length == 126 ? 2 : 8;
  size_t key_size = reader->is_client ? 0 : WEBSOCKET_KEY_BYTES;
  head->payload = length;
  head->size = 2 + length_size + key_size;
  if (size < 2 + length_size) return WEBSOCKET_MORE;
  if (length_size > 0) fault = read_length(bytes + 2, length_size, &head->payload);
  if (fault) return websocket_refuse(event, WEBSOCKET_PROTOCOL_ERROR, fault);
  if (size < head->size) return WEBSOCKET_MORE;
  memcpy(event->key, bytes + 2 + length_size, key_size);
  return WEBSOCKET_DATA;
}

/* --- Events -------------------------------------------------------------------------------- */

/* The bytes behind a head, as far as they are there. */
static enum websocket_result read_payload(struct websocket_reader *reader, const char *bytes,
                                          size_t size, struct websocket_event *event) {
  size_t here = reader->left < size ? (size_t)reader->left : size;
  reader->left -= here;
  event->payload = bytes;
  event->size = here;
  event->used += here;
  event->opcode = reader->kind;
  event->is_deflated = reader->is_deflated;
  event->is_last = reader->is_last && reader->left == 0;
  memcpy(event->key, reader->key, sizeof event->key);
  for (size_t i = 0; i < sizeof reader->key; i++) reader->key[i] = event->key[(here + i) % 4];
  reader->in_payload = reader->left > 0;
  reader->message_bytes += here;
  if (event->is_last) {
    reader->kind = 0;
    reader->message_bytes = 0;
  }
  return WEBSOCKET_DATA;
}

static enum websocket_result begin_control(const struct websocket_head *head, const char *bytes,
                                           size_t size, struct websocket_event *event) {
  if (size - head->size < head->payload) return WEBSOCKET_MORE;
  event->opcode = (enum websocket_opcode)head->opcode;
  event->payload = bytes + head->size;
  event->size = (size_t)head->payload;
  event->used = head->size + event->size;
  return WEBSOCKET_CONTROL;
}

enum websocket_result websocket_next(struct websocket_reader *reader, uint64_t message_bytes_max,
                                     const char *bytes, size_t size,
                                     struct websocket_event *event) {
  *event = (struct websocket_event){0};
  if (reader->in_payload) {
    return size == 0 ? WEBSOCKET_MORE : read_payload(reader, bytes, size, event);
  }
  struct websocket_head head = {0};
  enum websocket_result result = read_head(reader, (const uint8_t *)bytes, size, &head, event);
  if (result != WEBSOCKET_DATA) return result;
  if (is_control(head.opcode)) return begin_control(&head, bytes, size, event);
  uint64_t so_far = head.opcode == WEBSOCKET_CONTINUATION ? reader->message_bytes : 0;
  if (so_far > message_bytes_max || head.payload > message_bytes_max - so_far) {
    return websocket_refuse(event, WEBSOCKET_TOO_BIG, "the message is longer than it may be");
  }
  if (head.opcode != WEBSOCKET_CONTINUATION) {
    reader->kind = (uint8_t)head.opcode;
    reader->is_deflated = head.is_deflated;
    reader->text = (struct utf8_check){0};
    event->is_first = true;
  }
  reader->is_last = head.is_last;
  reader->left = head.payload;
  memcpy(reader->key, event->key, sizeof reader->key);
  event->used = head.size;
  return read_payload(reader, bytes + head.size, size - head.size, event);
}

bool websocket_take(struct websocket_reader *reader, struct websocket_event *event, char *to) {
  if (reader->is_client) {
    if (to != event->payload && event->size > 0) memmove(to, event->payload, event->size);
  } else {
    websocket_mask(to, event->payload, event->size, event->key, 0);
  }
  if (event->opcode != WEBSOCKET_TEXT || event->is_deflated) return true;
  if (utf8_check(&reader->text, to, event->size) &&
      (!event->is_last || utf8_check_ends(&reader->text))) {
    return true;
  }
  websocket_refuse(event, WEBSOCKET_BAD_TEXT, "a text message is no valid UTF-8");
  return false;
}

bool websocket_read_close(const char *payload, size_t size, struct websocket_event *event) {
  const uint8_t *bytes = (const uint8_t *)payload;
  event->code = WEBSOCKET_NO_CODE;
  if (size == 0) return true;
  event->code = size < 2 ? 0 : (unsigned)bytes[0] << 8 | bytes[1];
  if (!websocket_code_may_be_sent(event->code)) {
    websocket_refuse(event, WEBSOCKET_PROTOCOL_ERROR, "a close frame has no valid code");
    return false;
  }
  if (!utf8_is_valid(payload + 2, size - 2)) {
    websocket_refuse(event, WEBSOCKET_BAD_TEXT, "a close frame's text is no valid UTF-8");
    return false;
  }
  return true;
}

size_t websocket_write_head(const struct websocket_frame *frame,
                            char out[WEBSOCKET_HEAD_BYTES_MAX]) {
  uint8_t *bytes = (uint8_t *)out;
  size_t length_size = frame->size < 126 ? 0 : frame->size < 65536 ? 2 : 8;
  size_t size = 2 + length_size;
  bytes[0] = (uint8_t)((frame->is_more ? 0 : 0x80) | (frame->is_deflated ? 0x40 : 0) |
                       (unsigned)frame->opcode);
  bytes[1] = (uint8_t)((frame->key ? 0x80 : 0) | (length_size == 0   ? (unsigned)frame->size
                                                  : length_size == 2 ? 126u
                                                                     : 127u));
  for (size_t i = 0; i < length_size; i++) {
    bytes[2 + i] = (uint8_t)(frame->size >> (8 * (length_size - 1 - i)));
  }
  if (!frame->key) return size;
  memcpy(bytes + size, frame->key, WEBSOCKET_KEY_BYTES);
  return size + WEBSOCKET_KEY_BYTES;
}
