/* http_corpus_test.c — each row of tests/http/hostile.txt through the reader: at once, and bytewise. */
#include "check.h"

#include "base/http.h"

#include <stdlib.h>

enum { LINE_BYTES_MAX = 20000, ROWS_MIN = 400 };

static const char next[] = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/* A row, and the request behind it. */
struct row {
  char name[128];
  unsigned status; /* 0: read */
  char bytes[LINE_BYTES_MAX + sizeof next];
  size_t size; /* of the row alone */
};

static size_t unescape(const char *text, char *out) {
  size_t size = 0;
  while (*text != '\0') {
    if (*text != '\\') {
      out[size++] = *text++;
      continue;
    }
    char kind = text[1];
    if (kind == 'x') {
      char digits[] = {text[2], text[3], '\0'};
      out[size++] = (char)strtoul(digits, NULL, 16);
      text += 4;
      continue;
    }
    out[size++] = kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == 't' ? '\t' : '\\';
    text += 2;
  }
  return size;
}

/* The text behind `separators` of " | ", or NULL. */
static char *column(char *line, int separators) {
  for (; separators > 0 && line != NULL; separators--) {
    line = strstr(line, " | ");
    if (line != NULL) line += 3;
  }
  return line;
}

static bool read_row(FILE *file, struct row *row) {
  static char line[LINE_BYTES_MAX];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0') continue;
    char *name = column(line, 1);
    char *bytes = column(line, 3);
    CHECK(name != NULL && bytes != NULL);
    if (name == NULL || bytes == NULL) continue;
    row->status = (unsigned)strtoul(line, NULL, 10);
    (void)snprintf(row->name, sizeof row->name, "%.*s", (int)(strstr(name, " | ") - name), name);
    row->size = unescape(bytes, row->bytes);
    memcpy(row->bytes + row->size, next, sizeof next - 1);
    return true;
  }
  return false;
}

/* --- A reader ------------------------------------------------------------------------------ */

/* What it makes of the row: 0 and where the request ends, or the status of a refusal. */
struct verdict {
  unsigned status;
  size_t end;
  const char *fault;
};

/* Reads a body that begins at `at`, of which `piece` bytes come at a time. */
static struct verdict read_body(const struct http_head *head, const char *bytes, size_t size,
                                size_t at, size_t piece) {
  struct http_body body;
  http_body_begin(&body, head);
  for (;;) {
    size_t offered = size - at < piece ? size - at : piece;
    size_t used;
    const char *data;
    size_t data_size;
    enum http_body_result result =
        http_body_read(&body, bytes + at, offered, &used, &data, &data_size);
    at += used;
    if (result == HTTP_BODY_END) return (struct verdict){0, at, NULL};
    if (result == HTTP_BODY_BROKEN) return (struct verdict){400, 0, body.fault};
    if (result == HTTP_BODY_MORE && offered == 0) return (struct verdict){1, at, "waits"};
  }
}

static struct verdict read_request(const char *bytes, size_t size, size_t piece) {
  struct http_limits limits = {.head_bytes_max = HTTP_HEAD_BYTES_DEFAULT};
  struct http_head head;
  size_t scanned = 0;
  size_t arrived = 0;
  enum http_result result = HTTP_MORE;
  while (result == HTTP_MORE && arrived < size) {
    arrived = size - arrived < piece ? size : arrived + piece;
    result = http_read_request(&limits, &scanned, bytes, arrived, &head);
  }
  if (result == HTTP_MORE) return (struct verdict){1, 0, "waits"};
  if (result == HTTP_REFUSED) return (struct verdict){head.status, 0, head.fault};
  return read_body(&head, bytes, size, head.size, piece);
}

static void rows_are_judged(void) {
  static struct row row;
  FILE *file = fopen(CHECK_SOURCE_DIR "/tests/http/hostile.txt", "re");
  CHECK(file != NULL);
  if (file == NULL) return;
  unsigned count = 0;
  while (read_row(file, &row)) {
    size_t size = row.size + sizeof next - 1;
    struct verdict verdict = read_request(row.bytes, size, size);
    bool right = verdict.status == row.status && (row.status != 0 || verdict.end == row.size);
    CHECK(right);
    if (!right) (void)fprintf(stderr, "%s: %u %s\n", row.name, verdict.status, verdict.fault);
    struct verdict bytewise = read_request(row.bytes, size, 1);
    CHECK_NUMBER(bytewise.status, verdict.status);
    CHECK_NUMBER(bytewise.end, verdict.end);
    CHECK_TEXT(bytewise.fault, verdict.fault);
    count++;
  }
  (void)fclose(file);
  CHECK(count > ROWS_MIN);
}

static const struct check_case cases[] = {
    {"no hostile request is read, and every tame one is, to its end", rows_are_judged},
};

CHECK_MAIN(cases)
