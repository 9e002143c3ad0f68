/* base/percent.c — bytes as hexadecimal digits, and as in addresses of the web (RFC 3986, section 2.1), and
 * back. */
#include "base/percent.h"

#include <stdbool.h>
#include <string.h>

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

void hex_encode(const char *bytes, size_t size, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    *out++ = digits[(unsigned char)bytes[i] >> 4];
    *out++ = digits[bytes[i] & 15];
  }
}

ssize_t hex_decode(const char *text, size_t size, char *out) {
  int high = 0;
  for (size_t i = 0; i < size; i++) {
    int value = hex_value(text[i]);
    if (value < 0) return -1 - (ssize_t)i;
    if (i % 2 == 1) *out++ = (char)(high << 4 | value);
    high = value;
  }
  return size % 2 ? -1 - (ssize_t)size : (ssize_t)(size / 2);
}

/* Means the same everywhere in an address. */
static bool is_unreserved(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || (byte && strchr("-._~", byte));
}

size_t percent_encode(const char *bytes, size_t size, char *out) {
  static const char digits[] = "0123456789ABCDEF";
  char *end = out;
  for (size_t i = 0; i < size; i++) {
    if (is_unreserved(bytes[i])) {
      *end++ = bytes[i];
      continue;
    }
    *end++ = '%';
    *end++ = digits[(unsigned char)bytes[i] >> 4];
    *end++ = digits[bytes[i] & 15];
  }
  return (size_t)(end - out);
}

ssize_t percent_decode(const char *text, size_t size, unsigned how, char *out) {
  char *end = out;
  for (size_t i = 0; i < size; i++) {
    int high = text[i] == '%' && size - i > 2 ? hex_value(text[i + 1]) : -1;
    int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low >= 0) {
      *end++ = (char)(high << 4 | low);
      i += 2;
    } else if (text[i] == '%' && !(how & PERCENT_LENIENT)) {
      return -1 - (ssize_t)i;
    } else {
      *end++ = how & PERCENT_PLUS && text[i] == '+' ? ' ' : text[i];
    }
  }
  return end - out;
}
