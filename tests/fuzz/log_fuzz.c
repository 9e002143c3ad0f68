/* log_fuzz.c — any bytes as a record of the log — writes to no descriptor.
 *
 * An input is two lines and a rest. The first line: j (JSON), t (text) or c (coloured text), a digit
 * for the level, then the connection's id. The second: the script's name; empty for none. The rest is
 * the message, and behind a line `--` the traceback. */
#include "expect.h"

#include "base/log_render.h"

#include <jansson.h>

enum { INPUT_BYTES_MAX = 3 * LOG_LINE_SIZE_MAX };

static const char cut_mark[] = " [cut]";
static const char *const level_names[] = {"debug", "info", "warn", "error"};

static void read_rest(struct log_record *record, const char *rest, size_t size) {
  static const char rule[] = "\n--\n";
  const char *found = size > 0 ? memmem(rest, size, rule, sizeof rule - 1) : NULL;
  record->message = rest;
  record->message_size = found ? (size_t)(found - rest) : size;
  if (!found) return;
  record->traceback = found + sizeof rule - 1;
  record->traceback_size = size - record->message_size - (sizeof rule - 1);
}

/* --- JSON ---------------------------------------------------------------------------------- */

/* The text is what was given, or its beginning and the mark. */
static void check_text(const json_t *read, const char *bytes, size_t size) {
  MUST(json_is_string(read));
  char *expected = malloc(size * 4 + 1);
  MUST(expected != NULL);
  size_t expected_size = expect_text(bytes, size, false, expected);
  const char *text = json_string_value(read);
  size_t text_size = json_string_length(read);
  if (text_size != expected_size || memcmp(text, expected, text_size) != 0) {
    const size_t mark = sizeof cut_mark - 1;
    MUST(text_size >= mark && memcmp(text + text_size - mark, cut_mark, mark) == 0);
    MUST(text_size - mark < expected_size && memcmp(text, expected, text_size - mark) == 0);
  }
  free(expected);
}

static void check_json(const struct log_record *record, const char *line, size_t size) {
  json_error_t error;
  MUST(expect_shown(line, size - 1, ""));
  json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  MUST(json_is_object(object));
  const char *level = json_string_value(json_object_get(object, "level"));
  MUST(level != NULL && strcmp(level, level_names[record->level]) == 0);
  size_t fields = 3;
  check_text(json_object_get(object, "message"), record->message, record->message_size);
  if (record->script) {
    check_text(json_object_get(object, "script"), record->script, strlen(record->script));
    fields++;
  }
  if (record->conn) {
    MUST((uint64_t)json_integer_value(json_object_get(object, "conn")) == record->conn);
    fields++;
  }
  if (record->traceback) {
    check_text(json_object_get(object, "traceback"), record->traceback, record->traceback_size);
    fields++;
  }
  MUST(json_string_length(json_object_get(object, "time")) == 24);
  MUST(json_object_size(object) == fields);
  json_decref(object);
}

/* --- Text ---------------------------------------------------------------------------------- */

UNTRACED static size_t count_bytes(const char *text, size_t size, char byte) {
  size_t count = 0;
  for (size_t i = 0; i < size; i++) count += text[i] == byte;
  return count;
}

/* A line, and one for each of the traceback, indented: nothing in it can look like a record. */
UNTRACED static void check_plain(const struct log_style *style, const struct log_record *record,
                                 const char *line, size_t size) {
  MUST(expect_shown(line, size, style->colour ? "\n\033" : "\n"));
  MUST(count_bytes(line, size, '\033') == (style->colour ? 2 : 0));
  size_t rows = count_bytes(line, size, '\n');
  size_t rows_max = 1;
  if (record->traceback) {
    rows_max += 1 + count_bytes(record->traceback, record->traceback_size, '\n');
  }
  MUST(rows >= 1 && rows <= rows_max);
  for (size_t i = 0; i + 1 < size; i++) {
    if (line[i] == '\n') MUST(line[i + 1] == ' ' && line[i + 2] == ' ');
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > INPUT_BYTES_MAX) return -1;
  char *head = take_line(&data, &size);
  char *script = take_line(&data, &size);
  char *rest = copy_text((const char *)data, size);
  const struct log_style style = {.json = *head == 'j', .colour = *head == 'c'};
  const struct timespec now = {.tv_sec = 1764000000, .tv_nsec = 123456789};
  struct log_record record = {.script = *script ? script : NULL};
  if (*head && head[1]) {
    record.level = (enum log_level)(head[1] & 3);
    record.conn = strtoull(head + 2, NULL, 10) & INT64_MAX;
  }
  read_rest(&record, rest, size);
  char *line = malloc(LOG_LINE_SIZE_MAX);
  MUST(line != NULL);
  size_t line_size = log_render(&style, &now, &record, line);
  MUST(line_size > 0 && line_size <= LOG_LINE_SIZE_MAX && line[line_size - 1] == '\n');
  if (style.json) {
    check_json(&record, line, line_size);
  } else {
    check_plain(&style, &record, line, line_size);
  }
  free(line);
  free(rest);
  free(script);
  free(head);
  return 0;
}
