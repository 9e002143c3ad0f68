/* base/escape.c — bytes of anyone's as text that is safe to show, and inside of a JSON string. */
#include "base/escape.h"

#include "base/utf8.h"

#include <string.h>

/* By hand, not with snprintf(): a trace of a busy server escapes millions of bytes a second. */
static size_t put_hex(char *out, uint32_t number, int digits) {
  for (int i = digits - 1; i >= 0; i--) {
    out[i] = "0123456789abcdef"[number & 15];
    number >>= 4;
  }
  return (size_t)digits;
}

/* Writes bytes as \xNN; behind a second backslash in JSON, where one alone begins an escape. */
static size_t escape_bytes(bool json, const char *bytes, size_t size, char out[ESCAPE_SIZE_MAX]) {
  char *end = out;
  for (size_t i = 0; i < size; i++) {
    if (json) *end++ = '\\';
    *end++ = '\\';
    *end++ = 'x';
    end += put_hex(end, (unsigned char)bytes[i], 2);
  }
  return (size_t)(end - out);
}

/* JSON's way; beyond 16 bits it takes two, a pair of surrogates. */
static size_t escape_code_point(uint32_t code_point, char out[ESCAPE_SIZE_MAX]) {
  size_t used = 0;
  if (code_point > 0xffff) {
    used = escape_code_point(0xd7c0 + (code_point >> 10), out);
    code_point = 0xdc00 | (code_point & 0x3ff);
  }
  memcpy(out + used, "\\u", 2);
  return used + 2 + put_hex(out + used + 2, code_point, 4);
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
    return json ? escape_code_point(code_point, out) : escape_bytes(false, text, length, out);
  }
  size_t used = 0;
  if (json && (code_point == '"' || code_point == '\\')) out[used++] = '\\';
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
