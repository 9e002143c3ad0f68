/* base/http_body.c — where the bytes of a body are: by length, in chunks, or until the end. Keeps
 * nothing of what it has seen but where it is.
 *
 *   chunk    = size *( ";" name [ "=" ( token | quoted ) ] ) CRLF  data  CRLF
 *   last     = "0" …                                          CRLF
 *   trailer  = *( name ":" value CRLF )                       CRLF
 *
 * Nobody gets to see extensions and trailers; they are read so strictly because the end of a body
 * is behind them, and whoever finds another end there sees another request. */
#include "base/http.h"

#include "base/http_bytes.h"
#include "base/percent.h"

enum { CHUNK_DIGITS_MAX = 16 };

enum state {
  SIZE,      /* the first digit */
  SIZE_MORE, /* the next one, or what ends the size */
  NAME,      /* of an extension, its first byte */
  NAME_MORE,
  VALUE,       /* its first byte */
  VALUE_MORE,  /* of a token */
  QUOTED,      /* between quotes */
  QUOTED_PAIR, /* behind a backslash there */
  QUOTED_END,  /* behind the second quote */
  LINE_LF,     /* of a chunk's line */
  DATA,        /* of a chunk; `left` bytes are to come */
  DATA_CR,     /* behind it */
  DATA_LF,
  TRAILER, /* a line begins: a field, or the end */
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  END_LF,
  ENDED,
  BROKEN,
};

void http_body_begin(struct http_body *body, const struct http_head *head) {
  *body = (struct http_body){.framing = head->framing, .left = head->body_size};
}

static enum state broken(struct http_body *body, const char *fault) {
  body->fault = fault;
  return BROKEN;
}

/* --- Chunks -------------------------------------------------------------------------------- */

static enum state on_line_end(struct http_body *body) {
  body->line_bytes = 0;
  return body->left > 0 ? DATA : TRAILER;
}

static enum state on_size(struct http_body *body, char byte) {
  if (http_byte_is(byte, HTTP_BYTE_HEX)) {
    if (body->line_bytes > CHUNK_DIGITS_MAX || body->left > (uint64_t)INT64_MAX >> 4) {
      return broken(body, "a chunk's size has too many digits");
    }
    body->left = body->left << 4 | (unsigned)hex_value(byte);
    return SIZE_MORE;
  }
  if (body->state == SIZE) return broken(body, "a chunk does not begin with a size in plain hex");
  if (byte == ';') return NAME;
  if (byte == '\r') return LINE_LF;
  return broken(body, "a chunk's size is followed by something other than \";\" or CRLF");
}

static enum state on_name(struct http_body *body, char byte) {
  if (http_byte_is(byte, HTTP_BYTE_TOKEN)) return NAME_MORE;
  if (body->state == NAME) return broken(body, "a chunk's extension has no name");
  if (byte == '=') return VALUE;
  if (byte == ';') return NAME;
  if (byte == '\r') return LINE_LF;
  return broken(body, "there is a character in a chunk's extension that no name has");
}

static enum state on_value(struct http_body *body, char byte) {
  if (body->state == VALUE && byte == '"') return QUOTED;
  if (body->state != QUOTED_END && http_byte_is(byte, HTTP_BYTE_TOKEN)) return VALUE_MORE;
  if (body->state == VALUE)
    return broken(body, "a chunk's extension has no value behind its \"=\"");
  if (byte == ';') return NAME;
  if (byte == '\r') return LINE_LF;
  return broken(body, "there is a character in a chunk's extension that no value has");
}

static enum state on_quoted(struct http_body *body, char byte) {
  if (!http_byte_is(byte, HTTP_BYTE_TEXT)) {
    return broken(body, "a chunk's extension has a quote that its line does not close");
  }
  if (body->state == QUOTED_PAIR) return QUOTED;
  return byte == '"' ? QUOTED_END : byte == '\\' ? QUOTED_PAIR : QUOTED;
}

/* --- Trailers ------------------------------------------------------------------------------ */

/* What frames a message or says where it goes (RFC 9110, 6.5.1): a bit of `candidates` each. */
static const struct {
  const char *name;
  uint16_t size;
} forbidden[] = {
    {"content-length", 14},
    {"transfer-encoding", 17},
    {"host", 4},
    {"connection", 10},
    {"upgrade", 7},
    {"expect", 6},
    {"trailer", 7},
    {"te", 2},
};
enum { FORBIDDEN_COUNT = sizeof forbidden / sizeof forbidden[0] };

static enum state on_trailer_name(struct http_body *body, char byte) {
  unsigned still = 0;
  for (unsigned i = 0; i < FORBIDDEN_COUNT; i++) {
    if ((body->candidates & 1U << i) == 0) continue;
    if (byte == ':' && body->name_bytes == forbidden[i].size) {
      return broken(body, "there is a field in the trailer that may only be in a head");
    }
    bool same = body->name_bytes < forbidden[i].size &&
                forbidden[i].name[body->name_bytes] == http_lower(byte);
    if (same) still |= 1U << i;
  }
  if (byte == ':') return TRAILER_VALUE;
  if (!http_byte_is(byte, HTTP_BYTE_TOKEN)) {
    return broken(body, "there is a character in a trailer's name that no name has");
  }
  body->candidates = (uint8_t)still;
  body->name_bytes++;
  return TRAILER_NAME;
}

static enum state on_trailer(struct http_body *body, char byte) {
  if (byte == '\r') return END_LF;
  if (byte == ':') return broken(body, "a trailer has no name");
  body->candidates = (1U << FORBIDDEN_COUNT) - 1;
  body->name_bytes = 0;
  return on_trailer_name(body, byte);
}

static enum state on_trailer_value(struct http_body *body, char byte) {
  if (byte == '\r') return TRAILER_LF;
  if (http_byte_is(byte, HTTP_BYTE_TEXT)) return TRAILER_VALUE;
  return broken(body, "there is a control character in a trailer");
}

/* --- The whole ----------------------------------------------------------------------------- */

static enum state expect(struct http_body *body, bool there, enum state next, const char *fault) {
  return there ? next : broken(body, fault);
}

/* One byte that is no data of a chunk. */
static enum state on_byte(struct http_body *body, char byte) {
  switch ((enum state)body->state) {
    case SIZE:
    case SIZE_MORE: return on_size(body, byte);
    case NAME:
    case NAME_MORE: return on_name(body, byte);
    case VALUE:
    case VALUE_MORE:
    case QUOTED_END: return on_value(body, byte);
    case QUOTED:
    case QUOTED_PAIR: return on_quoted(body, byte);
    case DATA_CR: return expect(body, byte == '\r', DATA_LF, "a chunk is not followed by CRLF");
    case DATA_LF:
      body->line_bytes = 0;
      return expect(body, byte == '\n', SIZE, "a chunk is not followed by CRLF");
    case LINE_LF:
      if (byte == '\n') return on_line_end(body);
      return broken(body, "there is a CR without LF in a chunk's line");
    case TRAILER: return on_trailer(body, byte);
    case TRAILER_NAME: return on_trailer_name(body, byte);
    case TRAILER_VALUE: return on_trailer_value(body, byte);
    case TRAILER_LF:
      return expect(body, byte == '\n', TRAILER, "there is a CR without LF in the trailer");
    case END_LF:
      return expect(body, byte == '\n', ENDED, "there is a CR without LF at the body's end");
    case DATA:
    case ENDED:
    case BROKEN: break;
  }
  return BROKEN;
}

/* What is read and not kept is bounded. */
static const char *count_byte(struct http_body *body) {
  bool in_trailer = body->state >= TRAILER;
  body->line_bytes++;
  if (body->line_bytes > (in_trailer ? HTTP_TRAILER_BYTES_MAX : HTTP_CHUNK_LINE_BYTES_MAX)) {
    return in_trailer ? "the trailer is too long" : "a chunk's line is too long";
  }
  if (body->state < NAME || body->state > QUOTED_END) return NULL;
  body->extension_bytes++;
  return body->extension_bytes > HTTP_EXTENSION_BYTES_MAX ? "the chunks' extensions are too long"
                                                          : NULL;
}

static enum http_body_result take(struct http_body *body, const char *bytes, size_t size,
                                  size_t from, size_t *used, const char **data, size_t *data_size) {
  size_t taken = size - from;
  if (body->framing != HTTP_BY_CLOSE) {
    if (taken > body->left) taken = (size_t)body->left;
    body->left -= taken;
    if (body->framing == HTTP_CHUNKED && body->left == 0) body->state = DATA_CR;
  }
  *used = from + taken;
  if (taken == 0) return HTTP_BODY_MORE;
  *data = bytes + from;
  *data_size = taken;
  return HTTP_BODY_DATA;
}

static enum http_body_result read_chunked(struct http_body *body, const char *bytes, size_t size,
                                          size_t *used, const char **data, size_t *data_size) {
  size_t at = 0;
  while (body->state != ENDED && body->state != BROKEN) {
    if (body->state == DATA) return take(body, bytes, size, at, used, data, data_size);
    *used = at;
    if (at == size) return HTTP_BODY_MORE;
    const char *fault = count_byte(body);
    enum state next = fault != NULL ? broken(body, fault) : on_byte(body, bytes[at]);
    body->state = (uint8_t)next;
    at++;
  }
  *used = at;
  return body->state == ENDED ? HTTP_BODY_END : HTTP_BODY_BROKEN;
}

enum http_body_result http_body_read(struct http_body *body, const char *bytes, size_t size,
                                     size_t *used, const char **data, size_t *data_size) {
  *used = 0;
  switch (body->framing) {
    case HTTP_NO_BODY: return HTTP_BODY_END;
    case HTTP_BY_LENGTH:
      if (body->left == 0) return HTTP_BODY_END;
      return take(body, bytes, size, 0, used, data, data_size);
    case HTTP_BY_CLOSE: return take(body, bytes, size, 0, used, data, data_size);
    case HTTP_CHUNKED: break;
  }
  return read_chunked(body, bytes, size, used, data, data_size);
}
