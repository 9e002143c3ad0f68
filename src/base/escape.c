/* base/escape.c — bytes of anyone's as text that is safe to show, and inside of a JSON string. */
#include "base/escape.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Writes bytes as \xNN; behind a second backslash in JSON, where one alone begins an escape. */
static size_t escape_bytes(bool json, const char *bytes, size_t size, char out[ESCAPE_SIZE_MAX]) {
  size_t used = 0;
  for (size_t i = 0; i < size; i++) {
    used += (size_t)snprintf(out + used, ESCAPE_SIZE_MAX - used, json ? "\\\\x%02x" : "\\x%02x",
                             (unsigned)(unsigned char)bytes[i]);
  }
  return used;
}

size_t escape_one(bool json, const char *text, size_t size, size_t *taken,
                  char out[ESCAPE_SIZE_MAX]) {
  uint32_t code_point = 0;
  size_t length = utf8_decode(text, size, &code_point);
  if (length == 0) {
    *taken = 1;
    return escape_bytes(json, text, 1, out);
  }
  *taken = length;
  if (code_point == '\n') {
    memcpy(out, "\\n", 2);
    return 2;
  }
  if (!utf8_is_shown(code_point)) {
    return json ? (size_t)snprintf(out, ESCAPE_SIZE_MAX, "\\u%04x", (unsigned)code_point)
                : escape_bytes(false, text, length, out);
  }
  size_t used = 0;
  if (json && (code_point == '"' || code_point == '\\')) {
    out[used++] = '\\';
  }
  memcpy(out + used, text, length);
  return used + length;
}

size_t escape_plain_size(const char *text, size_t size) {
  size_t length = 0;
  while (length < size && text[length] >= ' ' && text[length] <= '~' && text[length] != '"' &&
         text[length] != '\\') {
    length++;
  }
  return length;
}
