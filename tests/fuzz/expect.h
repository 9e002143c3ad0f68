/* expect.h — what texts of anyone's must look like, said a second time and slowly, for the targets to
 * compare with — uses nothing of what it judges. */
#pragma once

#include "fuzz.h"

#include <string.h>

/* What is compared with need not be explored: it would cost more than what is. */
#ifdef __clang__
#define UNTRACED __attribute__((no_sanitize("coverage")))
#else
#define UNTRACED
#endif

/* The length of the character of UTF-8 at the start of `bytes` (`size` >= 1), by the table of RFC
 * 3629, section 4; 0 when there is none. */
UNTRACED static inline size_t expect_utf8(const uint8_t *bytes, size_t size) {
  static const struct {
    uint8_t lead_first, lead_last, second_first, second_last, length;
  } rows[] = {
      {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
      {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
      {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (bytes[0] < rows[i].lead_first || bytes[0] > rows[i].lead_last) continue;
    if (rows[i].length == 1) return 1;
    if (size < rows[i].length) return 0;
    if (bytes[1] < rows[i].second_first || bytes[1] > rows[i].second_last) return 0;
    for (size_t k = 2; k < rows[i].length; k++) {
      if ((bytes[k] & 0xc0) != 0x80) return 0;
    }
    return rows[i].length;
  }
  return 0;
}

/* Marks that turn or break a line, and what has no width or no form: of a character of 2 to 4 bytes. */
UNTRACED static inline bool expect_hidden(const uint8_t *at, size_t length) {
  const unsigned value =
      length == 2 ? (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu)
      : length == 3
          ? (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu)
          : (at[0] & 7u) << 18 | (at[1] & 0x3fu) << 12 | (at[2] & 0x3fu) << 6 | (at[3] & 0x3fu);
  switch (value >> 4) {
    case 0x200: return value >= 0x200b;
    case 0x202: return value >= 0x2028 && value <= 0x202e;
    case 0x206:
    case 0xfe0: return true;
    case 0x180: return value >= 0x180b;
    case 0xfff: return value <= 0xfffb || value >= 0xfffe;
    case 0x1bca: return value <= 0x1bca3;
    case 0x1d17: return value >= 0x1d173 && value <= 0x1d17a;
    default: break;
  }
  return value == 0xad || value == 0x34f || value == 0x61c || value == 0x115f || value == 0x1160 ||
         value == 0x17b4 || value == 0x17b5 || value == 0x3164 || value == 0xfeff ||
         value == 0xffa0 || value >> 12 == 0xe0;
}

/* Whether it is UTF-8 in which nothing acts on a terminal: no C0 but `allowed`, no DEL, no C1, and
 * nothing that is hidden. */
UNTRACED static inline bool expect_shown(const char *text, size_t size, const char *allowed) {
  const uint8_t *at = (const uint8_t *)text;
  for (size_t i = 0; i < size;) {
    size_t length = expect_utf8(at + i, size - i);
    if (length == 0) return false;
    if (length == 1 && at[i] < 0x20 && (at[i] == 0 || !strchr(allowed, at[i]))) return false;
    if (at[i] == 0x7f || (at[i] == 0xc2 && at[i + 1] < 0xa0)) return false;
    if (length > 1 && expect_hidden(at + i, length)) return false;
    i += length;
  }
  return true;
}

/* What a reader of JSON must find in a text made of these bytes: themselves, and \xNN for each that
 * is no UTF-8, or is NUL where `hides_nul`. `out` has room for four times as many and a NUL. */
UNTRACED static inline size_t expect_text(const char *bytes, size_t size, bool hides_nul,
                                          char *out) {
  size_t used = 0;
  for (size_t i = 0; i < size;) {
    size_t length = expect_utf8((const uint8_t *)bytes + i, size - i);
    if (length == 0 || (hides_nul && bytes[i] == '\0')) {
      used += (size_t)sprintf(out + used, "\\x%02x", (unsigned)(uint8_t)bytes[i]);
      length = 1;
    } else {
      memcpy(out + used, bytes + i, length);
      used += length;
    }
    i += length;
  }
  out[used] = '\0';
  return used;
}

/* A copy in a block of its own, with a NUL behind it, so that reading further is found out. */
static inline char *copy_text(const char *bytes, size_t size) {
  char *copy = malloc(size + 1);
  MUST(copy != NULL);
  if (size > 0) memcpy(copy, bytes, size);
  copy[size] = '\0';
  return copy;
}

/* The next line of what is left, without its newline, as a text of its own. */
static inline char *take_line(const uint8_t **data, size_t *size) {
  const uint8_t *newline = *size > 0 ? memchr(*data, '\n', *size) : NULL;
  size_t length = newline ? (size_t)(newline - *data) : *size;
  char *line = copy_text((const char *)*data, length);
  *size -= newline ? length + 1 : length;
  *data += newline ? length + 1 : length;
  return line;
}
