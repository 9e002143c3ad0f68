/* base/text.h — small readers of text: sizes, times, the nearest known word. Knows no option names. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Longest time that text_parse_seconds() accepts: sums of a few of them still fit everywhere. */
#define TEXT_TIME_MS_MAX (INT64_C(36525) * 24 * 60 * 60 * 1000) /* 100 years */

/* What these return for a text of the right form whose number does not fit. */
enum { TEXT_TOO_LARGE = -2 };

/* Reads "512", "64K", "1M" or "2G" (powers of 1024, either case) as bytes.
 * Returns 0, -1 when the text is anything else, or TEXT_TOO_LARGE; *out is then untouched. */
int text_parse_size(const char *text, size_t *out);

/* Reads "10", "0.5", "2s", "150ms", "5m" or "1h" as milliseconds; without a unit it is seconds.
 * What is shorter than a millisecond but not nothing becomes 1, because 0 often means "never".
 * Returns 0, -1 when the text is anything else, or TEXT_TOO_LARGE above TEXT_TIME_MS_MAX; *out is
 * then untouched. The locale plays no part. */
int text_parse_seconds(const char *text, int64_t *out_ms);

/* A number in decimal digits, at least `digits_min` of them, without a NUL; returns how many. By hand,
 * for it is done a million times a second, and in signal handlers, where snprintf() may take a lock. */
enum { TEXT_DIGITS_MAX = 20 };
size_t text_format_number(uint64_t number, size_t digits_min, char out[TEXT_DIGITS_MAX]);

/* Room for what the next two write. */
enum { TEXT_UNITS_SIZE_MAX = 32 };
/* Writes "0", "512", "1.5 KiB", "23 MiB": bytes, for people. */
void text_format_bytes(uint64_t bytes, char out[TEXT_UNITS_SIZE_MAX]);
/* Writes "0.4 s", "12 s", "3 min 5 s", "2 h 7 min", "9 d 4 h": seconds, for people. */
void text_format_seconds(double seconds, char out[TEXT_UNITS_SIZE_MAX]);

/* "" of one, else "s": the end of a noun behind its number. */
static inline const char *text_plural(uint64_t count) {
  return count == 1 ? "" : "s";
}

/* The word of `known` that was most likely meant by `word`, or NULL when none is near: at most
 * max(1, strlen(word) / 3) letters inserted, removed, replaced or swapped with their neighbour,
 * upper and lower case being the same. Of equals the first wins. */
const char *text_nearest(const char *word, const char *const *known, size_t count);
