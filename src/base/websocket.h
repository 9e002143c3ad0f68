/* base/websocket.h — frames of RFC 6455, read strictly and written. Allocates nothing, and does not know
 * where the bytes come from.
 *
 *   struct websocket_event event;
 *   switch (websocket_next(&reader, bytes_max, bytes, size, &event)) {
 *     case WEBSOCKET_DATA: ...    event.size bytes of a message: websocket_take() copies them out
 *     case WEBSOCKET_CONTROL: ... the same, of a ping, a pong or a close, which come whole
 *     case WEBSOCKET_MORE: ...    append what comes to what is left, and ask again
 *     case WEBSOCKET_REFUSED: ... event.code and event.fault say why, and that is the end
 *   }
 *   bytes += event.used, size -= event.used;
 */
#pragma once

#include "base/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  WEBSOCKET_HEAD_BYTES_MAX = 14,
  WEBSOCKET_CONTROL_BYTES_MAX = 125,                            /* payload of a control frame */
  WEBSOCKET_REASON_BYTES_MAX = WEBSOCKET_CONTROL_BYTES_MAX - 2, /* text of a close frame */
  WEBSOCKET_KEY_BYTES = 4,
};

enum websocket_opcode {
  WEBSOCKET_CONTINUATION = 0,
  WEBSOCKET_TEXT = 1,
  WEBSOCKET_BINARY = 2,
  WEBSOCKET_CLOSE = 8,
  WEBSOCKET_PING = 9,
  WEBSOCKET_PONG = 10,
};

/* Why a connection ends, RFC 6455 section 7.4. */
enum websocket_code {
  WEBSOCKET_NORMAL = 1000,
  WEBSOCKET_GOING_AWAY = 1001,
  WEBSOCKET_PROTOCOL_ERROR = 1002,
  WEBSOCKET_NO_CODE = 1005,  /* never sent: the close frame had none */
  WEBSOCKET_ABNORMAL = 1006, /* never sent: there was no close frame */
  WEBSOCKET_BAD_TEXT = 1007,
  WEBSOCKET_POLICY = 1008,
  WEBSOCKET_TOO_BIG = 1009,
  WEBSOCKET_INTERNAL = 1011,
  WEBSOCKET_RESTART = 1012,
};
/* Whether a close frame may have it: what is registered, and 3000 to 4999. */
bool websocket_code_may_be_sent(unsigned code);

/* --- Reading ------------------------------------------------------------------------------- */

/* Where in the stream of frames a reader is. Begun with what it is, and zeros. */
struct websocket_reader {
  uint64_t left;          /* of the payload at hand */
  uint64_t message_bytes; /* of the message at hand, so far */
  struct utf8_check text;
  uint8_t key[WEBSOCKET_KEY_BYTES]; /* of the payload at hand; begins with that of its next byte */
  uint8_t kind;                     /* of the message at hand: its opcode; 0: there is none */
  bool is_client : 1;               /* what it reads comes from a server, unmasked */
  bool deflates : 1;                /* permessage-deflate (RFC 7692) was agreed upon */
  bool is_deflated : 1;             /* the message at hand */
  bool is_last : 1;                 /* the frame at hand ends it */
  bool in_payload : 1;
};

enum websocket_result {
  WEBSOCKET_DATA,
  WEBSOCKET_CONTROL,
  WEBSOCKET_MORE,
  WEBSOCKET_REFUSED,
};

struct websocket_event {
  size_t used;         /* bytes that are done with; the payload is among them */
  const char *payload; /* as it came: masked */
  size_t size;
  enum websocket_opcode opcode; /* of a control frame; of data: that of its message */
  uint8_t key[WEBSOCKET_KEY_BYTES];
  bool is_first;     /* data: the message begins with it */
  bool is_last;      /* data: it ends with it */
  bool is_deflated;  /* data: of a message that is to be inflated */
  unsigned code;     /* refused: enum websocket_code */
  const char *fault; /* refused: a sentence, static */
};

/* What is next at the start of `bytes`. Data comes as soon as it is there: any part of a frame is told.
 * A message that gets longer than `message_bytes_max` is refused when the head says so. What the answers
 * put together are depends on the bytes only, never on how they came in pieces. WEBSOCKET_MORE leaves less
 * than a head and a control frame's payload. */
enum websocket_result websocket_next(struct websocket_reader *reader, uint64_t message_bytes_max,
                                     const char *bytes, size_t size, struct websocket_event *event);
/* Copies its payload to `to`, unmasked; `to` may be where it is. False, with event->code and fault, when
 * it is text that is no UTF-8: at the first piece that shows it. What is deflated is not looked at. */
bool websocket_take(struct websocket_reader *reader, struct websocket_event *event, char *to);
/* The two bytes and the text of a close frame's payload, unmasked. The same about its answer. */
bool websocket_read_close(const char *payload, size_t size, struct websocket_event *event);

/* The window, in bits, of the first offer of permessage-deflate that can be taken, in a field
 * Sec-WebSocket-Extensions: 9 to 15; 0: there is none. `names_window`: the answer has to say so. */
unsigned websocket_choose_deflate(const char *text, size_t size, bool *names_window);

/* --- Writing ------------------------------------------------------------------------------- */

struct websocket_frame {
  enum websocket_opcode opcode;
  bool is_more; /* it does not end its message */
  bool is_deflated;
  const uint8_t *key; /* of a client; NULL: it is not masked */
  uint64_t size;      /* of the payload */
};

/* Returns how many bytes it is. */
size_t websocket_write_head(const struct websocket_frame *frame,
                            char out[WEBSOCKET_HEAD_BYTES_MAX]);

/* Masks, or unmasks, `size` bytes of `from` into `to`, which may be the same. `offset` is where in the
 * payload they begin. */
void websocket_mask(char *to, const char *from, size_t size, const uint8_t key[WEBSOCKET_KEY_BYTES],
                    size_t offset);
