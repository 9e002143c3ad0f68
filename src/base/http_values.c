/* base/http_values.c — what the fields say that a connection depends on. Does not know lines. */
#include "base/http_bytes.h"
#include "base/http_state.h"

enum {
  CONTENT_LENGTH_DIGITS_MAX = 18, /* less than 2^63, whatever they are */
  PORT_MAX = 65535,
};

/* These look at the value of one field, and return NULL or what is wrong with it; head->status is
 * 400 unless they set it. */
typedef const char *field_reader(struct http_reading *reading, const char *value, size_t size);

static const char *port_fault(const char *at, const char *end) {
  unsigned port = 0;
  if (at == end || end - at > 5) return "the host has no valid port behind its colon";
  for (; at < end; at++) {
    if (*at < '0' || *at > '9') return "the host has no valid port behind its colon";
    port = port * 10 + (unsigned)(*at - '0');
  }
  return port > PORT_MAX ? "the host has no valid port behind its colon" : NULL;
}

const char *http_authority_fault(const char *value, size_t size) {
  const char *at = value;
  const char *end = value + size;
  if (size > 0 && *at == '[') {
    at++;
    while (at < end && (http_byte_is(*at, HTTP_BYTE_HEX) || *at == ':' || *at == '.')) at++;
    if (at - value < 3 || at == end || *at != ']') return "the host has no valid IPv6 address";
    at++;
  } else {
    while (at < end && http_byte_is(*at, HTTP_BYTE_HOST)) at++;
    if (at == value) return "the host is empty, or does not begin with a name";
  }
  if (at == end) return NULL;
  if (*at != ':') return "the host has a character that no host has";
  return port_fault(at + 1, end);
}

static const char *read_host(struct http_reading *reading, const char *value, size_t size) {
  if (reading->response) return NULL;
  reading->hosts++;
  reading->host = http_span_of(reading, value, value + size);
  return http_authority_fault(value, size);
}

static const char *read_length(struct http_reading *reading, const char *value, size_t size) {
  uint64_t length = 0;
  reading->lengths++;
  if (size == 0) return "Content-Length is empty";
  if (size > CONTENT_LENGTH_DIGITS_MAX) return "Content-Length has too many digits";
  if (size > 1 && value[0] == '0') return "Content-Length begins with 0, which some read as octal";
  for (size_t i = 0; i < size; i++) {
    if (value[i] < '0' || value[i] > '9') return "Content-Length is no number in plain digits";
    length = length * 10 + (unsigned)(value[i] - '0');
  }
  reading->length = length;
  return NULL;
}

/* The next member of a list of tokens; false behind the last one, and `*at` is NULL where the list
 * is none. Empty members are passed over, as RFC 9110 has it in 5.6.1.2. */
static bool next_token(const char **at, const char *end, const char **token, size_t *size) {
  const char *here = *at;
  while (here < end && (*here == ',' || http_is_blank(*here))) here++;
  *token = here;
  while (here < end && http_byte_is(*here, HTTP_BYTE_TOKEN)) here++;
  *size = (size_t)(here - *token);
  while (here < end && http_is_blank(*here)) here++;
  *at = here == end || (*here == ',' && *size > 0) ? here : NULL;
  return *size > 0 && *at != NULL;
}

/* Only "chunked" alone is read. A list that is rightly said, and has codings that are not done here,
 * is 501 and not 400, as RFC 9112 has it in 6.1. */
static const char *read_coding(struct http_reading *reading, const char *value, size_t size) {
  const char *at = value;
  const char *end = value + size;
  const char *token;
  size_t token_size;
  unsigned known = 0;
  unsigned members = 0;
  bool last = false;
  reading->codings++;
  if (size == 7 && http_same(value, "chunked", 7)) return NULL;
  while (next_token(&at, end, &token, &token_size)) {
    last = token_size == 7 && http_same(token, "chunked", 7);
    known += last;
    members++;
  }
  if (at == NULL || members == 0) return "Transfer-Encoding is not a list of codings";
  if (known > 1 || (known == 1 && !last)) return "chunked must be once, and last";
  if (known == members) return "Transfer-Encoding must be chunked, and nothing else";
  reading->head->status = 501;
  return "Transfer-Encoding has a coding other than chunked";
}

static const char *read_connection(struct http_reading *reading, const char *value, size_t size) {
  const char *at = value;
  const char *token;
  size_t token_size;
  while (next_token(&at, value + size, &token, &token_size)) {
    if (token_size == 5 && http_same(token, "close", 5)) reading->option_close = true;
    if (token_size == 7 && http_same(token, "upgrade", 7)) reading->option_upgrade = true;
    if (token_size == 10 && http_same(token, "keep-alive", 10)) reading->option_keep_alive = true;
    if ((token_size == 4 && http_same(token, "host", 4)) ||
        (token_size == 14 && http_same(token, "content-length", 14)) ||
        (token_size == 17 && http_same(token, "transfer-encoding", 17))) {
      return "Connection names a field that nobody on the way may take out";
    }
  }
  return at == NULL ? "Connection is not a list of tokens" : NULL;
}

static const char *read_expect(struct http_reading *reading, const char *value, size_t size) {
  if (reading->response) return NULL;
  reading->head->expects_continue = true;
  if (size == 12 && http_same(value, "100-continue", 12)) return NULL;
  reading->head->status = 417;
  return "Expect is something other than 100-continue";
}

/* What it lists is for who upgrades to look at; RFC 9110 has versions in it ("h2c", "websocket",
 * "TLS/1.0"). */
static const char *read_upgrade(struct http_reading *reading, const char *value, size_t size) {
  reading->upgrades++;
  for (size_t i = 0; i < size; i++) {
    bool listed = value[i] == ',' || value[i] == '/' || http_is_blank(value[i]);
    if (!listed && !http_byte_is(value[i], HTTP_BYTE_TOKEN))
      return "Upgrade is not a list of tokens";
  }
  return NULL;
}

/* No two have the same length, so one comparison tells. */
static const struct {
  const char *name;
  field_reader *read;
} known_fields[] = {
    [4] = {"host", read_host},
    [6] = {"expect", read_expect},
    [7] = {"upgrade", read_upgrade},
    [10] = {"connection", read_connection},
    [14] = {"content-length", read_length},
    [17] = {"transfer-encoding", read_coding},
};
enum { KNOWN_NAME_BYTES_MAX = sizeof known_fields / sizeof known_fields[0] - 1 };

/* Who makes variables of names, as CGI does, takes "Content_Length" for Content-Length. */
const char *http_known_fault(struct http_reading *reading, const char *name, size_t name_size,
                             const char *value, size_t size) {
  if (name_size > KNOWN_NAME_BYTES_MAX || known_fields[name_size].name == NULL) return NULL;
  const char *known = known_fields[name_size].name;
  bool underscore = false;
  for (size_t i = 0; i < name_size; i++) {
    if (http_lower(name[i]) == known[i]) continue;
    if (name[i] != '_' || known[i] != '-') return NULL;
    underscore = true;
  }
  if (underscore) return "a name has \"_\" where Content-Length or Transfer-Encoding have \"-\"";
  return known_fields[name_size].read(reading, value, size);
}
