/* base/text.c — small readers of text: sizes, times, the nearest known word. Knows no option names. */
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Longer words are compared with nothing: no name of ours comes near. */
enum { WORD_SIZE_MAX = 64 };

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Reads decimal digits at *cursor into *out and moves the cursor behind them. -1 when there are none;
 * TEXT_TOO_LARGE when the number is above `max`. */
static int text_read_digits(const char **cursor, uint64_t max, uint64_t *out) {
  const char *c = *cursor;
  uint64_t value = 0;
  bool fits = true;
  for (; is_digit(*c); c++) {
    uint64_t digit = (uint64_t)(*c - '0');
    fits = fits && value <= (max - digit) / 10;
    value = value * 10 + digit;
  }
  if (c == *cursor) return -1;
  *cursor = c;
  *out = value;
  return fits ? 0 : TEXT_TOO_LARGE;
}

int text_parse_size(const char *text, size_t *out) {
  uint64_t value = 0;
  int rc = text_read_digits(&text, SIZE_MAX, &value);
  if (rc == -1) return -1;
  unsigned shift = 0;
  switch (to_lower(*text)) {
    case '\0': break;
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    default: return -1;
  }
  if (shift != 0 && text[1] != '\0') return -1;
  if (rc != 0 || value > ((uint64_t)SIZE_MAX >> shift)) return TEXT_TOO_LARGE;
  *out = (size_t)(value << shift);
  return 0;
}

/* Reads ".25" at *cursor, if it is there, as nanounits: 250000000. Digits beyond the ninth only
 * matter for being not all zero, so they round the result up. */
static int read_fraction(const char **cursor, uint64_t *out_nano) {
  const char *c = *cursor;
  uint64_t nano = 0;
  uint64_t unit = 100000000;
  bool rest = false;
  *out_nano = 0;
  if (*c != '.') return 0;
  c++;
  if (!is_digit(*c)) return -1;
  for (; is_digit(*c); c++) {
    nano += (uint64_t)(*c - '0') * unit;
    rest = rest || (unit == 0 && *c != '0');
    unit /= 10;
  }
  *cursor = c;
  *out_nano = nano + (rest ? 1 : 0);
  return 0;
}

/* The milliseconds of a unit; 0 when there is no such unit. */
static uint64_t unit_ms(const char *unit) {
  static const struct {
    const char *name;
    uint64_t ms;
  } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (strcmp(unit, units[i].name) == 0) return units[i].ms;
  }
  return 0;
}

int text_parse_seconds(const char *text, int64_t *out_ms) {
  const uint64_t nano_max = 1000000000;
  uint64_t whole = 0;
  uint64_t nano = 0;
  int rc = text_read_digits(&text, TEXT_TIME_MS_MAX, &whole);
  if (rc == -1 || read_fraction(&text, &nano) != 0) return -1;
  uint64_t unit = unit_ms(text);
  if (unit == 0) return -1;
  if (rc != 0 || whole > (uint64_t)TEXT_TIME_MS_MAX / unit) return TEXT_TOO_LARGE;
  uint64_t ms = whole * unit + (nano * unit + nano_max - 1) / nano_max;
  if (ms > (uint64_t)TEXT_TIME_MS_MAX) return TEXT_TOO_LARGE;
  *out_ms = (int64_t)ms;
  return 0;
}

static size_t min_size(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Edits that turn `a` into `b`: the optimal string alignment distance, in three rows of the
 * table, because a swap looks two rows back. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size) {
  size_t rows[3][WORD_SIZE_MAX + 1];
  size_t *before = rows[0];
  size_t *above = rows[1];
  size_t *current = rows[2];
  for (size_t j = 0; j <= b_size; j++) {
    above[j] = j;
    before[j] = j;
  }
  for (size_t i = 1; i <= a_size; i++) {
    current[0] = i;
    for (size_t j = 1; j <= b_size; j++) {
      char from = to_lower(a[i - 1]);
      char to = to_lower(b[j - 1]);
      size_t best = min_size(above[j] + 1, current[j - 1] + 1);
      best = min_size(best, above[j - 1] + (from == to ? 0 : 1));
      if (i > 1 && j > 1 && from == to_lower(b[j - 2]) && to == to_lower(a[i - 2])) {
        best = min_size(best, before[j - 2] + 1);
      }
      current[j] = best;
    }
    size_t *oldest = before;
    before = above;
    above = current;
    current = oldest;
  }
  return above[b_size];
}

const char *text_nearest(const char *word, const char *const *known, size_t count) {
  size_t size = strlen(word);
  if (size == 0 || size > WORD_SIZE_MAX) return NULL;
  size_t limit = size / 3 > 1 ? size / 3 : 1;
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t known_size = strlen(known[i]);
    if (known_size > WORD_SIZE_MAX) continue;
    size_t distance = edit_distance(word, size, known[i], known_size);
    /* A word that shares no letter with the other is not near, however short both are. */
    bool alike = distance < size || distance < known_size;
    if (distance <= limit && alike) {
      best = known[i];
      if (distance == 0) break;
      limit = distance - 1;
    }
  }
  return best;
}

size_t text_format_number(uint64_t number, size_t digits_min, char out[TEXT_DIGITS_MAX]) {
  char digits[TEXT_DIGITS_MAX];
  size_t start = sizeof digits;
  while (number > 0 || sizeof digits - start < digits_min) {
    digits[--start] = (char)('0' + number % 10);
    number /= 10;
  }
  memcpy(out, digits + start, sizeof digits - start);
  return sizeof digits - start;
}

void text_format_bytes(uint64_t bytes, char out[TEXT_UNITS_SIZE_MAX]) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  if (bytes < 1024) {
    snprintf(out, TEXT_UNITS_SIZE_MAX, "%u", (unsigned)bytes);
    return;
  }
  double value = (double)bytes / 1024;
  /* What would be rounded to 1024 of a unit is 1 of the next. */
  for (; value >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]; unit++) value /= 1024;
  snprintf(out, TEXT_UNITS_SIZE_MAX, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void text_format_seconds(double seconds, char out[TEXT_UNITS_SIZE_MAX]) {
  if (seconds < 9.95) {
    snprintf(out, TEXT_UNITS_SIZE_MAX, "%.1f s", seconds);
    return;
  }
  const unsigned long long whole = (unsigned long long)(seconds + 0.5);
  if (whole < 60) {
    snprintf(out, TEXT_UNITS_SIZE_MAX, "%llu s", whole);
  } else if (whole < 3600) {
    snprintf(out, TEXT_UNITS_SIZE_MAX, "%llu min %llu s", whole / 60, whole % 60);
  } else if (whole < 86400) {
    snprintf(out, TEXT_UNITS_SIZE_MAX, "%llu h %llu min", whole / 3600, whole / 60 % 60);
  } else {
    snprintf(out, TEXT_UNITS_SIZE_MAX, "%llu d %llu h", whole / 86400, whole / 3600 % 24);
  }
}
