/* base/http_fields.c — what is asked of a head that was read, and what one may be written with. */
#include "base/http.h"

#include "base/http_bytes.h"

#include <string.h>

bool http_split_target(const char *bytes, const struct http_head *head, struct http_span *path,
                       struct http_span *query) {
  const char *target = bytes + head->target.at;
  const char *end = target + head->target.size;
  const char *mark = memchr(target, '?', head->target.size);
  const char *path_end = mark != NULL ? mark : end;
  const char *from = target;
  if (*target != '/') { /* "*" has no path, "http://host/path" has it behind its third slash */
    const char *host = memchr(target, '/', head->target.size);
    from = host != NULL ? memchr(host + 2, '/', (size_t)(path_end - host - 2)) : NULL;
    if (from == NULL) from = path_end;
  }
  *path = (struct http_span){(uint32_t)(from - bytes), (uint32_t)(path_end - from)};
  if (mark == NULL) return false;
  *query = (struct http_span){(uint32_t)(mark + 1 - bytes), (uint32_t)(end - mark - 1)};
  return true;
}

/* --- Fields -------------------------------------------------------------------------------- */

/* A line of a head that was read: its colon is there, and its first CR is that of its end. */
static size_t line_end(const char *bytes, const struct http_head *head, size_t at) {
  size_t end = (size_t)head->fields.at + head->fields.size;
  const char *cr = memchr(bytes + at, '\r', end - at);
  return (size_t)(cr - bytes);
}

static struct http_span value_between(const char *bytes, size_t at, size_t end) {
  while (at < end && http_is_blank(bytes[at])) at++;
  while (end > at && http_is_blank(bytes[end - 1])) end--;
  return (struct http_span){(uint32_t)at, (uint32_t)(end - at)};
}

bool http_next_field(const char *bytes, const struct http_head *head, size_t *at,
                     struct http_span *name, struct http_span *value) {
  size_t from = head->fields.at + *at;
  if (*at >= head->fields.size) return false;
  size_t end = line_end(bytes, head, from);
  const char *colon = memchr(bytes + from, ':', end - from);
  size_t name_size = (size_t)(colon - bytes) - from;
  *name = (struct http_span){(uint32_t)from, (uint32_t)name_size};
  *value = value_between(bytes, from + name_size + 1, end);
  *at = end + 2 - head->fields.at;
  return true;
}

bool http_find_field(const char *bytes, const struct http_head *head, size_t *at, const char *name,
                     size_t name_size, struct http_span *value) {
  while (*at < head->fields.size) {
    size_t from = head->fields.at + *at;
    size_t end = line_end(bytes, head, from);
    *at = end + 2 - head->fields.at;
    if (name_size >= end - from || bytes[from + name_size] != ':') continue;
    if (!http_same(bytes + from, name, name_size)) continue;
    *value = value_between(bytes, from + name_size + 1, end);
    return true;
  }
  return false;
}

static bool list_has(const char *list, size_t size, const char *token, size_t token_size) {
  const char *end = list + size;
  while (list < end) {
    const char *comma = memchr(list, ',', (size_t)(end - list));
    const char *member_end = comma != NULL ? comma : end;
    struct http_span member = value_between(list, 0, (size_t)(member_end - list));
    if (member.size == token_size && http_same(list + member.at, token, token_size)) return true;
    list = comma != NULL ? comma + 1 : end;
  }
  return false;
}

bool http_field_has(const char *bytes, const struct http_head *head, const char *name,
                    const char *token) {
  size_t at = 0;
  struct http_span value;
  while (http_find_field(bytes, head, &at, name, strlen(name), &value)) {
    if (list_has(bytes + value.at, value.size, token, strlen(token))) return true;
  }
  return false;
}

/* --- What may be written ------------------------------------------------------------------- */

bool http_is_token(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (!http_byte_is(bytes[i], HTTP_BYTE_TOKEN)) return false;
  }
  return size > 0;
}

bool http_is_value(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (!http_byte_is(bytes[i], HTTP_BYTE_TEXT)) return false;
  }
  return true;
}

/* https://www.iana.org/assignments/http-status-codes */
static const struct {
  uint16_t status;
  const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a Teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *http_reason(unsigned status) {
  if (status == 200) return "OK";
  for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
    if (reasons[i].status == status) return reasons[i].reason;
  }
  return "";
}
