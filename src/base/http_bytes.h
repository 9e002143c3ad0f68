/* base/http_bytes.h — which bytes may stand where in HTTP. Shared by the files of base/http*.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  HTTP_BYTE_TOKEN = 1,  /* tchar of RFC 9110, 5.6.2: methods, names, options */
  HTTP_BYTE_TARGET = 2, /* visible, without "#": what is behind that is never sent */
  HTTP_BYTE_TEXT = 4,   /* of a field's value: visible, blanks, and 0x80 to 0xff */
  HTTP_BYTE_HOST = 8,   /* of a name or an IPv4 address as browsers send it */
  HTTP_BYTE_HEX = 16,
};

extern const uint8_t http_bytes[256];

static inline bool http_byte_is(char byte, unsigned class) {
  return (http_bytes[(unsigned char)byte] & class) != 0;
}

static inline bool http_is_blank(char byte) {
  return byte == ' ' || byte == '\t';
}

static inline char http_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* Whether these are the same, in any case. */
static inline bool http_same(const char *bytes, const char *others, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (http_lower(bytes[i]) != http_lower(others[i])) return false;
  }
  return true;
}
