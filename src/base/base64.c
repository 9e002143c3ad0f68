/* base/base64.c — bytes as text and back: RFC 4648, section 4, with padding. */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The three bytes at `at`, of which `size` are there, in one number. */
static uint32_t group_at(const unsigned char *at, size_t size) {
  uint32_t group = (uint32_t)at[0] << 16;
  if (size > 1) group |= (uint32_t)at[1] << 8;
  return size > 2 ? group | at[2] : group;
}

size_t base64_encode(const char *bytes, size_t size, char *out) {
  const unsigned char *at = (const unsigned char *)bytes;
  char *end = out;
  for (size_t i = 0; i < size; i += 3) {
    uint32_t group = group_at(at + i, size - i);
    *end++ = digits[group >> 18];
    *end++ = digits[group >> 12 & 63];
    *end++ = size - i > 1 ? digits[group >> 6 & 63] : '=';
    *end++ = size - i > 2 ? digits[group & 63] : '=';
  }
  return (size_t)(end - out);
}

/* The value of a digit, or -1. */
static int value_of(char digit) {
  const char *found = digit ? strchr(digits, digit) : NULL;
  return found ? (int)(found - digits) : -1;
}

/* How many of the four characters are padding, which only the last group may have; -1: wrongly. */
static int padding_of(const char *group, int is_last) {
  int padding = group[3] == '=' ? 1 + (group[2] == '=') : 0;
  return padding > 0 && !is_last ? -1 : padding;
}

ssize_t base64_decode(const char *text, size_t size, char *out) {
  char *end = out;
  if (size % 4 != 0) return -1;
  for (size_t i = 0; i < size; i += 4) {
    int padding = padding_of(text + i, i + 4 == size);
    if (padding < 0) return -1;
    uint32_t group = 0;
    for (int k = 0; k < 4; k++) {
      int value = k >= 4 - padding ? 0 : value_of(text[i + (size_t)k]);
      if (value < 0) return -1;
      group = group << 6 | (uint32_t)value;
    }
    for (int k = 0; k < 3 - padding; k++) *end++ = (char)(group >> (16 - 8 * k) & 255);
  }
  return end - out;
}
