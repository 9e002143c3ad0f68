/* base/base64.c — bytes as text and back: RFC 4648, with padding (section 4), or for addresses and names
 * of files without it (section 5). */
#include "base/base64.h"

#include <stdbool.h>
#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The three bytes at `at`, of which `size` are there, in one number. */
static uint32_t group_at(const unsigned char *at, size_t size) {
  uint32_t group = (uint32_t)at[0] << 16;
  if (size > 1) group |= (uint32_t)at[1] << 8;
  return size > 2 ? group | at[2] : group;
}

/* Without padding. */
static char *encode(const char *digit_of, const char *bytes, size_t size, char *end) {
  const unsigned char *at = (const unsigned char *)bytes;
  for (size_t i = 0; i < size; i += 3) {
    uint32_t group = group_at(at + i, size - i);
    *end++ = digit_of[group >> 18];
    *end++ = digit_of[group >> 12 & 63];
    if (size - i > 1) *end++ = digit_of[group >> 6 & 63];
    if (size - i > 2) *end++ = digit_of[group & 63];
  }
  return end;
}

size_t base64_encode(const char *bytes, size_t size, char *out) {
  char *end = encode(digits, bytes, size, out);
  while ((end - out) % 4 != 0) *end++ = '=';
  return (size_t)(end - out);
}

size_t base64url_encode(const char *bytes, size_t size, char *out) {
  return (size_t)(encode(url_digits, bytes, size, out) - out);
}

/* The value of a digit, or -1. */
static int value_of(const char *digit_of, char digit) {
  if (digit >= 'A' && digit <= 'Z') return digit - 'A';
  if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
  if (digit >= '0' && digit <= '9') return digit - '0' + 52;
  if (digit == digit_of[62]) return 62;
  return digit == digit_of[63] ? 63 : -1;
}

/* Of `size` digits without their padding. What the last one has beyond the last byte must be 0: else
 * several texts would mean the same. */
static ssize_t decode(const char *digit_of, const char *text, size_t size, char *out) {
  char *end = out;
  uint32_t bits = 0;
  for (size_t i = 0; i < size; i++) {
    int value = value_of(digit_of, text[i]);
    if (value < 0) return -1 - (ssize_t)i;
    bits = bits << 6 | (uint32_t)value;
    if (i % 4 != 0) *end++ = (char)(bits >> (6 - 2 * (i % 4)) & 255);
  }
  if (size % 4 == 1) return -1 - (ssize_t)size;
  uint32_t rest = size % 4 == 2 ? bits & 15 : size % 4 == 3 ? bits & 3 : 0;
  return rest ? -(ssize_t)size : end - out;
}

static ssize_t decode_padded(const char *digit_of, const char *text, size_t size, char *out) {
  size_t padding = 0;
  if (size % 4 == 0 && size > 0)
    padding = text[size - 1] != '=' ? 0 : text[size - 2] != '=' ? 1 : 2;
  ssize_t decoded = decode(digit_of, text, size - padding, out);
  return decoded >= 0 && size % 4 != 0 ? -1 - (ssize_t)size : decoded;
}

ssize_t base64_decode(const char *text, size_t size, char *out) {
  return decode_padded(digits, text, size, out);
}

ssize_t base64url_decode(const char *text, size_t size, char *out) {
  bool is_padded = size > 0 && text[size - 1] == '=';
  return (is_padded ? decode_padded : decode)(url_digits, text, size, out);
}
