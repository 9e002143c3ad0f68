/* base/http_head.c — the head of a request or a response, in one pass. Does not look at bodies.
 *
 * A head is judged line by line, and only lines that are whole: what a line says wrongly is found
 * when its end is there, what lines say against each other when the head's end is. Only a byte that
 * may stand nowhere is refused at once. So the answer depends on the bytes alone, never on how they
 * came in pieces.
 *
 * A head that comes at once is read in one go. Of one that comes in pieces, each piece is looked at
 * as bytes, each line once more when it ends, and the head once more when that ends: three looks,
 * whatever the pieces. */
#include "base/http.h"

#include "base/http_bytes.h"
#include "base/http_state.h"

#include <string.h>

/* What came of a line. */
enum step {
  STEP_ON,   /* it is read, and `at` is behind it */
  STEP_END,  /* it was empty */
  STEP_MORE, /* it is not whole */
  STEP_REFUSED,
};

static enum step refuse(struct http_reading *reading, unsigned status, const char *fault) {
  reading->head->status = status;
  reading->head->fault = fault;
  return STEP_REFUSED;
}

/* --- Bytes, eight at a time ---------------------------------------------------------------- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The first byte is the lowest, on any machine. */
static inline uint64_t load(const char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/* These set the highest bit of each byte that is so. Above the lowest that is, they may set too
 * many: only the lowest is to be trusted. */
static inline uint64_t below(uint64_t word, unsigned least) {
  return (word - EACH(least)) & ~word & EACH(0x80);
}

static inline uint64_t equal(uint64_t word, unsigned byte) {
  return below(word ^ EACH(byte), 1);
}

static inline const char *first_of(const char *word, uint64_t bits) {
  return word + (unsigned)__builtin_ctzll(bits) / 8;
}

/* The first byte that is no text, or `end`. */
static const char *text_end(const char *at, const char *end) {
  while (end - at >= 8) {
    uint64_t word = load(at);
    uint64_t stops = below(word, 0x20) | equal(word, 0x7f);
    if (stops == 0) {
      at += 8;
      continue;
    }
    at = first_of(at, stops);
    if (*at != '\t') return at;
    at++;
  }
  while (at < end && http_byte_is(*at, HTTP_BYTE_TEXT)) at++;
  return at;
}

/* The first byte that may not stand in a target, or `end`. */
static const char *target_end(const char *at, const char *end) {
  while (end - at >= 8) {
    uint64_t word = load(at);
    uint64_t stops = below(word, 0x21) | equal(word, 0x7f) | equal(word, '#') | (word & EACH(0x80));
    if (stops != 0) return first_of(at, stops);
    at += 8;
  }
  while (at < end && http_byte_is(*at, HTTP_BYTE_TARGET)) at++;
  return at;
}

/* --- Line ends ----------------------------------------------------------------------------- */

/* `at` is behind the text of a line: there must be CRLF. */
static enum step end_line(struct http_reading *reading, const char *at) {
  if (at == reading->end) return STEP_MORE;
  if (*at == '\n') return refuse(reading, 400, "a line ends with LF alone: nc -C sends CRLF");
  if (*at != '\r') return refuse(reading, 400, "there is a control character in the head");
  if (at + 1 == reading->end) return STEP_MORE;
  if (at[1] != '\n') return refuse(reading, 400, "there is a CR without LF in the head");
  reading->at = at + 2;
  return STEP_ON;
}

/* The line is wrong at `at`, which is said once it is whole. */
static enum step refuse_line(struct http_reading *reading, const char *at, unsigned status,
                             const char *fault) {
  enum step step = end_line(reading, text_end(at, reading->end));
  return step == STEP_ON ? refuse(reading, status, fault) : step;
}

/* --- Lines --------------------------------------------------------------------------------- */

static const char *name_fault(const struct http_reading *reading, const char *at) {
  if (at == reading->at && *at == ':') return "a field has no name";
  if (at == reading->at && http_is_blank(*at)) {
    return "a line begins with a blank: fields are not folded any more";
  }
  if (http_is_blank(*at)) return "there is a blank in a field's name, or before its colon";
  if (*at == '\r' || *at == '\n') return "a line has no colon";
  return "there is a character in a field's name that no name has";
}

static enum step read_field(struct http_reading *reading) {
  const char *name = reading->at;
  const char *end = reading->end;
  const char *at = name;
  while (at < end && http_byte_is(*at, HTTP_BYTE_TOKEN)) at++;
  if (at == end) return STEP_MORE;
  if (*at != ':' || at == name) {
    if (*at != '\r' || at != name) return refuse_line(reading, at, 400, name_fault(reading, at));
    enum step step = end_line(reading, at);
    return step == STEP_ON ? STEP_END : step;
  }
  const char *name_end = at++;
  while (at < end && http_is_blank(*at)) at++;
  const char *value = at;
  at = text_end(at, end);
  enum step step = end_line(reading, at);
  if (step != STEP_ON) return step;
  while (at > value && http_is_blank(at[-1])) at--;
  reading->head->field_count++;
  reading->head->status = 400;
  const char *fault =
      http_known_fault(reading, name, (size_t)(name_end - name), value, (size_t)(at - value));
  if (fault != NULL) return refuse(reading, reading->head->status, fault);
  return STEP_ON;
}

/* "/path?query", "http://host/path", or "*". Sets the authority. */
static const char *read_target(struct http_reading *reading, const char *at, const char *end) {
  size_t size = (size_t)(end - at);
  if (*at == '/') return NULL;
  if (size == 1 && *at == '*') {
    bool options = reading->head->method.size == 7 &&
                   memcmp(reading->bytes + reading->head->method.at, "OPTIONS", 7) == 0;
    return options ? NULL : "the target \"*\" is for OPTIONS alone";
  }
  size_t scheme = size >= 7 && http_same(at, "http://", 7)    ? 7
                  : size >= 8 && http_same(at, "https://", 8) ? 8
                                                              : 0;
  if (scheme == 0) return "the target does not begin with \"/\", \"http://\" or \"https://\"";
  const char *from = at + scheme;
  at = from;
  while (at < end && *at != '/' && *at != '?') at++;
  reading->authority = http_span_of(reading, from, at);
  return http_authority_fault(from, (size_t)(at - from));
}

/* `at` is where the version of a line stands; NULL, or what is wrong with it. Sets head->status. */
static const char *read_version(struct http_reading *reading, const char *at, const char *end) {
  reading->head->status = 400;
  if (end - at != 8 || memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' ||
      at[7] < '0' || at[7] > '9') {
    return "there is no version like HTTP/1.1 at its place";
  }
  if (at[5] != '1' || at[7] > '1') {
    reading->head->status = 505;
    return "the version is neither HTTP/1.1 nor HTTP/1.0";
  }
  reading->head->minor = (unsigned)(at[7] - '0');
  return NULL;
}

static enum step read_request_line(struct http_reading *reading) {
  struct http_head *head = reading->head;
  const char *end = reading->end;
  const char *method = reading->at;
  const char *at = method;
  while (at < end && http_byte_is(*at, HTTP_BYTE_TOKEN)) at++;
  if (at == end) return STEP_MORE;
  if (*at != ' ' || at == method) {
    return refuse_line(reading, at, 400, "the first line does not begin with a method and a blank");
  }
  head->method = http_span_of(reading, method, at);
  const char *target = ++at;
  at = target_end(at, end);
  if (at == end) return STEP_MORE;
  if (*at != ' ' || at == target) {
    return refuse_line(reading, at, 400,
                       "the target is missing, or has a character that no target has");
  }
  head->target = http_span_of(reading, target, at);
  const char *target_is_over = at++;
  const char *line_end = text_end(at, end);
  enum step step = end_line(reading, line_end);
  if (step != STEP_ON) return step;
  const char *fault = read_version(reading, at, line_end);
  if (fault != NULL) return refuse(reading, head->status, fault);
  if (head->method.size > HTTP_METHOD_BYTES_MAX) {
    return refuse(reading, 501, "the method is longer than any that there is");
  }
  if (head->method.size == 7 && memcmp(method, "CONNECT", 7) == 0) {
    return refuse(reading, 501, "CONNECT is for proxies");
  }
  fault = read_target(reading, target, target_is_over);
  return fault != NULL ? refuse(reading, 400, fault) : STEP_ON;
}

static enum step read_status_line(struct http_reading *reading) {
  struct http_head *head = reading->head;
  const char *line = reading->at;
  const char *at = text_end(line, reading->end);
  enum step step = end_line(reading, at);
  if (step != STEP_ON) return step;
  size_t size = (size_t)(at - line);
  const char *fault = read_version(reading, line, size < 8 ? at : line + 8);
  if (fault != NULL) return refuse(reading, head->status, fault);
  if (size < 12 || line[8] != ' ' || line[9] < '1' || line[9] > '9' || line[10] < '0' ||
      line[10] > '9' || line[11] < '0' || line[11] > '9' || (size > 12 && line[12] != ' ')) {
    return refuse(reading, 400, "there is no status of three digits behind the version");
  }
  head->reason = http_span_of(reading, size > 12 ? line + 13 : at, at);
  return STEP_ON;
}

/* --- The head ------------------------------------------------------------------------------ */

/* How long the body is by its fields, when they agree. */
static const char *read_framing(struct http_reading *reading) {
  struct http_head *head = reading->head;
  if (reading->lengths > 1) return "there are several fields Content-Length";
  if (reading->codings > 1) return "there are several fields Transfer-Encoding";
  if (reading->codings > 0 && reading->lengths > 0) {
    return "there are Content-Length and Transfer-Encoding";
  }
  if (reading->codings > 0 && head->minor == 0) return "HTTP/1.0 has no Transfer-Encoding";
  head->body_size = reading->length;
  head->framing = reading->codings > 0  ? HTTP_CHUNKED
                  : reading->length > 0 ? HTTP_BY_LENGTH
                                        : HTTP_NO_BODY;
  return NULL;
}

static bool authority_differs(const struct http_reading *reading) {
  struct http_span host = reading->host;
  struct http_span authority = reading->authority;
  if (reading->hosts == 0 || authority.size == 0) return false;
  return host.size != authority.size ||
         !http_same(reading->bytes + host.at, reading->bytes + authority.at, host.size);
}

static const char *end_request(struct http_reading *reading) {
  struct http_head *head = reading->head;
  if (reading->hosts > 1) return "there are several fields Host";
  if (reading->hosts == 0 && head->minor > 0) return "HTTP/1.1 needs a field Host";
  if (authority_differs(reading)) return "Host is not that of the target";
  if (head->minor == 0) {
    head->expects_continue = false;
    reading->upgrades = 0;
  }
  return read_framing(reading);
}

static const char *end_response(struct http_reading *reading, bool to_head) {
  struct http_head *head = reading->head;
  const char *line = reading->bytes;
  unsigned status = (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  const char *fault = read_framing(reading);
  if (fault != NULL) return fault;
  bool never = status < 200 || status == 204;
  if (never && head->framing != HTTP_NO_BODY) return "a status without a body has one";
  head->status = status;
  if (never || status == 304 || to_head) {
    head->framing = HTTP_NO_BODY;
    head->body_size = 0;
  } else if (reading->lengths == 0 && reading->codings == 0) {
    head->framing = HTTP_BY_CLOSE;
  }
  return NULL;
}

static const char *end_head(struct http_reading *reading, bool to_head) {
  struct http_head *head = reading->head;
  head->status = 400;
  if (head->field_count > HTTP_FIELDS_MAX) {
    head->status = 431;
    return "there are too many fields";
  }
  const char *fault = reading->response ? end_response(reading, to_head) : end_request(reading);
  if (fault != NULL) return fault;
  head->keeps_alive = !reading->option_close && head->framing != HTTP_BY_CLOSE &&
                      (head->minor > 0 || reading->option_keep_alive);
  head->upgrades = reading->option_upgrade && reading->upgrades > 0;
  if (!reading->response) head->status = 0;
  return NULL;
}

/* The first line, which an empty one may come before: clients of the nineties sent one behind a
 * body (RFC 9112, 2.2). */
static enum step read_first_line(struct http_reading *reading) {
  if (reading->response) return read_status_line(reading);
  const char *at = reading->at;
  if (at < reading->end && *at == '\r') {
    enum step step = end_line(reading, at);
    if (step != STEP_ON) return step;
  }
  return read_request_line(reading);
}

static enum step read_fields(struct http_reading *reading) {
  enum step step;
  do {
    step = read_field(reading);
  } while (step == STEP_ON);
  return step;
}

static enum step read_whole(struct http_reading *reading) {
  memset(reading->head, 0, sizeof *reading->head);
  enum step step = read_first_line(reading);
  if (step != STEP_ON) return step;
  const char *fields = reading->at;
  step = read_fields(reading);
  if (step == STEP_END) {
    reading->head->fields = http_span_of(reading, fields, reading->at - 2);
    reading->head->size = (size_t)(reading->at - reading->bytes);
  }
  return step;
}

/* Looks at what came behind bytes[0 .. scanned), and at the line that it ends, if it does. What
 * fields say is forgotten: at the end of the head they are read again, all of them. */
static enum step read_further(struct http_reading reading, size_t scanned) {
  memset(reading.head, 0, sizeof *reading.head);
  const char *at = reading.bytes + scanned;
  if (at[-1] == '\r') at--;
  at = text_end(at, reading.end);
  enum step step = end_line(&reading, at);
  if (step != STEP_ON) return step;
  const char *before = at;
  do before = before > reading.bytes ? before - 1 : NULL;
  while (before && *before != '\n');
  /* Up to two bytes in is the first line, and then it is not yet too late to begin once more. */
  if (before == NULL || before - reading.bytes < 2) return STEP_END;
  reading.at = before + 1;
  return read_fields(&reading);
}

/* It fills what a head may have, and has not ended. */
static enum step refuse_size(struct http_reading *reading) {
  const char *bytes = reading->bytes;
  size_t size = (size_t)(reading->end - bytes);
  bool has_first_line = size > 2 && memchr(bytes + 2, '\n', size - 2) != NULL;
  if (reading->response || has_first_line) return refuse(reading, 431, "the head is too long");
  return refuse(reading, 414, "the target is too long");
}

static enum http_result read_head(struct http_reading *reading, size_t bytes_max, size_t *scanned,
                                  bool to_head) {
  if (bytes_max > UINT32_MAX) bytes_max = UINT32_MAX; /* spans count so far */
  size_t size = (size_t)(reading->end - reading->bytes);
  if (size > bytes_max) reading->end = reading->bytes + bytes_max;
  bool full = size >= bytes_max;
  /* The limit may have been lowered since. */
  bool goes_on = *scanned > 0 && *scanned < bytes_max;
  enum step step = goes_on ? read_further(*reading, *scanned) : STEP_END;
  if (step == STEP_END) step = read_whole(reading);
  if (step == STEP_MORE && full) step = refuse_size(reading);
  if (step == STEP_MORE) {
    *scanned = size;
    return HTTP_MORE;
  }
  if (step == STEP_REFUSED) return HTTP_REFUSED;
  const char *fault = end_head(reading, to_head);
  if (fault != NULL) {
    (void)refuse(reading, reading->head->status, fault);
    return HTTP_REFUSED;
  }
  *scanned = 0;
  return HTTP_HEAD;
}

enum http_result http_read_request(const struct http_limits *limits, size_t *scanned,
                                   const char *bytes, size_t size, struct http_head *head) {
  struct http_reading reading = {.bytes = bytes, .end = bytes + size, .at = bytes, .head = head};
  return read_head(&reading, limits->head_bytes_max, scanned, false);
}

enum http_result http_read_response(const struct http_limits *limits, size_t *scanned,
                                    const char *bytes, size_t size, bool to_head,
                                    struct http_head *head) {
  struct http_reading reading = {
      .bytes = bytes, .end = bytes + size, .at = bytes, .head = head, .response = true};
  return read_head(&reading, limits->head_bytes_max, scanned, to_head);
}
