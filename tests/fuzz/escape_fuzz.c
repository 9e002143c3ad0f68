/* escape_fuzz.c — any bytes through everything in base/ that escapes, quotes, cuts or encodes text.
 *
 * What leaves must be safe to show, what has a way back must come back the same, and what reads text
 * must stay within it. Each input goes through all of them. */
#include "expect.h"

#include "base/base64.h"
#include "base/escape.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/words.h"

#include <jansson.h>

enum { INPUT_BYTES_MAX = 1024, WORDS_MAX = 16 };

/* --- Escapes ------------------------------------------------------------------------------- */

static size_t escape(bool json, const char *bytes, size_t size, char *out) {
  size_t used = 0;
  for (size_t at = 0; at < size;) {
    char unit[ESCAPE_SIZE_MAX];
    size_t taken = 0;
    size_t unit_size = escape_one(json, bytes + at, size - at, &taken, unit);
    MUST(taken >= 1 && taken <= 4 && taken <= size - at);
    MUST(unit_size >= 1 && unit_size <= sizeof unit);
    memcpy(out + used, unit, unit_size);
    used += unit_size;
    at += taken;
  }
  MUST(expect_shown(out, used, ""));
  return used;
}

static void check_json(const char *bytes, size_t size) {
  char *text = malloc(size * ESCAPE_SIZE_MAX + 2);
  char *expected = malloc(size * 4 + 1);
  json_error_t error;
  MUST(text && expected);
  text[0] = '"';
  size_t used = escape(true, bytes, size, text + 1);
  text[used + 1] = '"';
  json_t *read = json_loadb(text, used + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  MUST(json_is_string(read));
  size_t expected_size = expect_text(bytes, size, false, expected);
  MUST(json_string_length(read) == expected_size);
  MUST(memcmp(json_string_value(read), expected, expected_size) == 0);
  json_decref(read);
  free(expected);
  free(text);
}

static void check_escapes(const char *bytes, size_t size) {
  char *shown = malloc(size * ESCAPE_SIZE_MAX + 1);
  MUST(shown != NULL);
  escape(false, bytes, size, shown);
  size_t plain = escape_plain_size(bytes, size);
  MUST(plain <= size && escape(false, bytes, plain, shown) == plain);
  MUST(memcmp(shown, bytes, plain) == 0);
  free(shown);
  check_json(bytes, size);
}

static void check_utf8(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    uint32_t code_point;
    size_t length = utf8_decode(bytes + i, size - i, &code_point);
    MUST(length == expect_utf8((const uint8_t *)bytes + i, size - i));
    if (length > 0) MUST(utf8_is_shown(code_point) == expect_shown(bytes + i, length, ""));
  }
}

/* --- Words --------------------------------------------------------------------------------- */

static void check_quoted(const char *bytes, size_t size) {
  char *quoted = malloc(WORDS_QUOTED_SIZE_MAX(size));
  char error[80];
  struct word word;
  MUST(quoted != NULL);
  size_t quoted_size = words_quote(bytes, size, quoted);
  MUST(quoted_size < WORDS_QUOTED_SIZE_MAX(size) && quoted[quoted_size] == '\0');
  for (size_t i = 0; i < quoted_size; i++) MUST(quoted[i] >= ' ' && quoted[i] <= '~');
  MUST(words_split(quoted, quoted_size, &word, 1, error, sizeof error) == 1);
  MUST(word.size == size && memcmp(word.text, bytes, size) == 0 && word.text[size] == '\0');
  free(quoted);
}

static void check_words(const char *bytes, size_t size) {
  char *line = copy_text(bytes, size);
  char error[80] = "";
  struct word words[WORDS_MAX];
  int count = words_split(line, size, words, WORDS_MAX, error, sizeof error);
  MUST((count < 0) == (*error != '\0'));
  MUST(count <= WORDS_MAX);
  const char *end = line;
  for (int i = 0; i < count; i++) {
    MUST(words[i].text >= end && words[i].text[words[i].size] == '\0');
    end = words[i].text + words[i].size;
    MUST(end <= line + size);
    check_quoted(words[i].text, words[i].size);
  }
  free(line);
  check_quoted(bytes, size);
}

/* --- base64 -------------------------------------------------------------------------------- */

static void check_encoding(const char *bytes, size_t size) {
  char *text = malloc(BASE64_SIZE(size) + 1);
  char *back = malloc(BASE64_DECODED_SIZE_MAX(BASE64_SIZE(size)) + 1);
  MUST(text && back);
  size_t text_size = base64_encode(bytes, size, text);
  MUST(text_size == BASE64_SIZE(size));
  MUST(base64_decode(text, text_size, back) == (ssize_t)size);
  MUST(memcmp(back, bytes, size) == 0);
  free(back);
  free(text);
}

static void check_base64(const char *bytes, size_t size) {
  size_t room = BASE64_DECODED_SIZE_MAX(size);
  char *decoded = malloc(room > 0 ? room : 1);
  MUST(decoded != NULL);
  ssize_t decoded_size = base64_decode(bytes, size, decoded);
  MUST(decoded_size <= (ssize_t)room);
  if (decoded_size >= 0) {
    MUST(size % 4 == 0 && BASE64_SIZE((size_t)decoded_size) == size);
    check_encoding(decoded, (size_t)decoded_size);
  }
  free(decoded);
  check_encoding(bytes, size);
}

/* --- Sizes, times, near words -------------------------------------------------------------- */

static void check_units(const char *text) {
  size_t bytes = 0;
  int64_t ms = -1;
  char shown[TEXT_UNITS_SIZE_MAX];
  if (text_parse_size(text, &bytes) == 0) {
    char again[32];
    size_t bytes_again;
    (void)snprintf(again, sizeof again, "%zu", bytes);
    MUST(text_parse_size(again, &bytes_again) == 0 && bytes_again == bytes);
    text_format_bytes(bytes, shown);
    MUST(memchr(shown, '\0', sizeof shown - 1) != NULL);
  }
  if (text_parse_seconds(text, &ms) == 0) {
    char again[32];
    int64_t ms_again;
    MUST(ms >= 0 && ms <= TEXT_TIME_MS_MAX);
    (void)snprintf(again, sizeof again, "%lldms", (long long)ms);
    MUST(text_parse_seconds(again, &ms_again) == 0 && ms_again == ms);
    text_format_seconds((double)ms / 1000, shown);
    MUST(memchr(shown, '\0', sizeof shown - 1) != NULL);
  } else {
    MUST(ms == -1);
  }
}

static void check_nearest(const char *text) {
  static const char *const known[] = {"on_data", "on_message", "listen", "frame", "x", "limits"};
  const size_t count = sizeof known / sizeof known[0];
  const char *nearest = text_nearest(text, known, count);
  bool is_known = nearest == NULL;
  for (size_t i = 0; i < count; i++) {
    if (nearest == known[i]) is_known = true;
    if (strcmp(text, known[i]) == 0) MUST(nearest == known[i]);
  }
  MUST(is_known);
  MUST(*text == '\0' || strchr(text, ' ') || text_nearest(text, &text, 1) == text ||
       strlen(text) > 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > INPUT_BYTES_MAX) return -1;
  const char *bytes = (const char *)data;
  char *text = copy_text(bytes, size);
  check_escapes(bytes, size);
  check_utf8(bytes, size);
  check_words(bytes, size);
  check_base64(bytes, size);
  check_units(text);
  check_nearest(text);
  free(text);
  return 0;
}
