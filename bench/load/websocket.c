/* load/websocket.c — a client of WebSocket around a socket: handshake, frames, masks. Knows no plan, and no
 * pattern.
 *
 * Frames are taken off in place, and put on in one buffer, so that a message costs one call each way, as it
 * does without them. The key of all masks is one that changes bytes: what it is, no server can know. */
#include "websocket.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD_BYTES_MAX = 14, PART_BYTES_MAX = 64 * 1024, ANSWER_BYTES_MAX = 2048 };

static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};

struct websocket {
  size_t frame_bytes;
  size_t asked;  /* of the request */
  uint32_t tail; /* the last four bytes of the answer so far */
  size_t answered;
  bool took_all; /* a read gave less than it might have */
  /* The frame that is sent: what of its head and its payload is still to go. */
  unsigned char head[HEAD_BYTES_MAX];
  size_t head_size;
  size_t head_sent;
  size_t unsent;
  size_t offset; /* of the next byte in its payload */
  /* The frame that is read. */
  unsigned char got[HEAD_BYTES_MAX];
  size_t got_size;
  uint64_t unread;
};

struct websocket *websocket_new(size_t frame_bytes) {
  struct websocket *websocket = calloc(1, sizeof *websocket);
  if (websocket != NULL) websocket->frame_bytes = frame_bytes;
  return websocket;
}

/* Byte by byte, so that nothing behind the answer is taken: it is some 150 of them, once. */
int websocket_shake(struct websocket *websocket, int fd) {
  while (websocket->asked < sizeof request - 1) {
    ssize_t sent =
        send(fd, request + websocket->asked, sizeof request - 1 - websocket->asked, MSG_NOSIGNAL);
    if (sent < 0) return -1;
    websocket->asked += (size_t)sent;
  }
  while (websocket->tail != 0x0d0a0d0a) {
    unsigned char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got < 0) return -1;
    bool is_wrong = got == 0 || websocket->answered == ANSWER_BYTES_MAX ||
                    (websocket->answered == 9 && byte != '1'); /* of "HTTP/1.1 101" */
    if (is_wrong) {
      errno = EPROTO;
      return -1;
    }
    websocket->answered++;
    websocket->tail = websocket->tail << 8 | byte;
  }
  return 0;
}

/* --- What comes ------------------------------------------------------------------------------ */

/* How long a head is, as far as that is known. */
static size_t head_bytes(const struct websocket *websocket) {
  if (websocket->got_size < 2) return 2;
  unsigned length = websocket->got[1] & 0x7f;
  return length < 126 ? 2 : length == 126 ? 4 : 10;
}

static bool begin_frame(struct websocket *websocket) {
  const unsigned char *head = websocket->got;
  unsigned opcode = head[0] & 0x0f;
  websocket->unread = head[1] & 0x7f;
  if (websocket->got_size > 2) {
    websocket->unread = 0;
    for (size_t i = 2; i < websocket->got_size; i++)
      websocket->unread = websocket->unread << 8 | head[i];
  }
  websocket->got_size = 0;
  return opcode <= 2 && (head[1] & 0x80) == 0;
}

/* Takes heads off what was read, in place; how many bytes are left, or -1. */
static ssize_t unwrap(struct websocket *websocket, unsigned char *bytes, size_t size) {
  size_t kept = 0;
  for (size_t at = 0; at < size;) {
    if (websocket->unread > 0) {
      size_t part = websocket->unread < size - at ? (size_t)websocket->unread : size - at;
      memmove(bytes + kept, bytes + at, part);
      kept += part;
      at += part;
      websocket->unread -= part;
      continue;
    }
    websocket->got[websocket->got_size++] = bytes[at++];
    if (websocket->got_size == head_bytes(websocket) && !begin_frame(websocket)) return -1;
  }
  return (ssize_t)kept;
}

ssize_t websocket_recv(struct websocket *websocket, int fd, unsigned char *out, size_t size) {
  ssize_t kept = 0;
  while (kept == 0) { /* only heads are no end */
    ssize_t got = recv(fd, out, size, 0);
    if (got <= 0) return got;
    websocket->took_all = (size_t)got < size;
    kept = unwrap(websocket, out, (size_t)got);
  }
  if (kept < 0) errno = EPROTO;
  return kept;
}

bool websocket_is_drained(const struct websocket *websocket) {
  return websocket->took_all;
}

/* --- What goes ------------------------------------------------------------------------------- */

static void write_head(struct websocket *websocket, size_t size) {
  unsigned char *head = websocket->head;
  size_t length_size = size < 126 ? 0 : size < 65536 ? 2 : 8;
  head[0] = 0x82;
  head[1] = (unsigned char)(0x80 | (length_size == 0 ? size : length_size == 2 ? 126 : 127));
  for (size_t i = 0; i < length_size; i++)
    head[2 + i] = (unsigned char)(size >> (8 * (length_size - 1 - i)));
  memcpy(head + 2 + length_size, key, sizeof key);
  websocket->head_size = 2 + length_size + sizeof key;
  websocket->head_sent = 0;
  websocket->unsent = size;
  websocket->offset = 0;
}

ssize_t websocket_send(struct websocket *websocket, int fd, const unsigned char *bytes,
                       size_t size) {
  unsigned char buffer[HEAD_BYTES_MAX + PART_BYTES_MAX];
  if (websocket->unsent == 0) write_head(websocket, websocket->frame_bytes);
  size_t head_left = websocket->head_size - websocket->head_sent;
  size_t part = size < websocket->unsent ? size : websocket->unsent;
  if (part > PART_BYTES_MAX) part = PART_BYTES_MAX;
  memcpy(buffer, websocket->head + websocket->head_sent, head_left);
  for (size_t i = 0; i < part; i++)
    buffer[head_left + i] = bytes[i] ^ key[(websocket->offset + i) % sizeof key];
  ssize_t sent = send(fd, buffer, head_left + part, MSG_NOSIGNAL);
  if (sent < 0) return -1;
  size_t head_sent = (size_t)sent < head_left ? (size_t)sent : head_left;
  websocket->head_sent += head_sent;
  size_t taken = (size_t)sent - head_sent;
  websocket->offset += taken;
  websocket->unsent -= taken;
  if (taken > 0) return (ssize_t)taken;
  errno = EAGAIN;
  return -1;
}
