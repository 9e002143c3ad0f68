/* http_corpus_test.c — each row of tests/http/hostile*.txt, read at once and bytewise. */
#include "check.h"

#include "base/http.h"

#include <stdlib.h>

enum { LINE_BYTES_MAX = 20000 };

/* A file of rows, and what stands behind each of them. */
struct corpus {
  const char *path;
  const char *next;
  bool responses;
  unsigned rows_min;
};

static const struct corpus requests = {
    .path = CHECK_SOURCE_DIR "/tests/http/hostile.txt",
    .next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    .rows_min = 400,
};
static const struct corpus responses = {
    .path = CHECK_SOURCE_DIR "/tests/http/hostile_responses.txt",
    .next = "HTTP/1.1 200 Next\r\n\r\n",
    .responses = true,
    .rows_min = 60,
};

/* A row, and what stands behind it. */
struct row {
  char name[128];
  char verdict[8]; /* "ok", "head", "no", or a status */
  char bytes[LINE_BYTES_MAX + 64];
  size_t size; /* of the row alone */
  size_t all;  /* with what stands behind */
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

static bool read_row(FILE *file, const struct corpus *corpus, struct row *row) {
  static char line[LINE_BYTES_MAX];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '#' || line[0] == '\0') continue;
    char *name = column(line, 1);
    char *bytes = column(line, 3);
    CHECK(name != NULL && bytes != NULL);
    if (name == NULL || bytes == NULL) continue;
    (void)snprintf(row->verdict, sizeof row->verdict, "%.*s", (int)strcspn(line, " "), line);
    (void)snprintf(row->name, sizeof row->name, "%.*s", (int)(strstr(name, " | ") - name), name);
    row->size = unescape(bytes, row->bytes);
    row->all = row->size + strlen(corpus->next);
    memcpy(row->bytes + row->size, corpus->next, row->all - row->size);
    return true;
  }
  return false;
}

/* --- A reader ------------------------------------------------------------------------------ */

/* What it makes of the row: where it ends, or why it is refused. */
struct verdict {
  char text[8];
  size_t end;
  const char *fault;
};

static struct verdict verdict_of(const char *text, size_t end, const char *fault) {
  struct verdict verdict = {.end = end, .fault = fault};
  (void)snprintf(verdict.text, sizeof verdict.text, "%s", text);
  return verdict;
}

static struct verdict refusal(bool response, unsigned status, const char *fault) {
  char text[12];
  (void)snprintf(text, sizeof text, "%u", status);
  return verdict_of(response ? "no" : text, 0, fault);
}

/* Reads a body that begins at `at`, of which `piece` bytes come at a time. */
static struct verdict read_body(const struct row *row, bool response, const struct http_head *head,
                                size_t at, size_t piece) {
  struct http_body body;
  http_body_begin(&body, head);
  for (;;) {
    size_t offered = row->all - at < piece ? row->all - at : piece;
    size_t used;
    const char *data;
    size_t data_size;
    enum http_body_result result =
        http_body_read(&body, row->bytes + at, offered, &used, &data, &data_size);
    at += used;
    if (result == HTTP_BODY_END) return verdict_of("ok", at, NULL);
    if (result == HTTP_BODY_BROKEN) return refusal(response, 400, body.fault);
    if (result == HTTP_BODY_MORE && offered == 0) return verdict_of("waits", at, NULL);
  }
}

static enum http_result read_head(const struct row *row, bool response, size_t from, size_t piece,
                                  struct http_head *head) {
  struct http_limits limits = {.head_bytes_max = HTTP_HEAD_BYTES_DEFAULT};
  bool to_head = strcmp(row->verdict, "head") == 0;
  const char *bytes = row->bytes + from;
  size_t size = row->all - from;
  size_t scanned = 0;
  size_t arrived = 0;
  enum http_result result = HTTP_MORE;
  while (result == HTTP_MORE && arrived < size) {
    arrived = size - arrived < piece ? size : arrived + piece;
    result = response ? http_read_response(&limits, &scanned, bytes, arrived, to_head, head)
                      : http_read_request(&limits, &scanned, bytes, arrived, head);
  }
  return result;
}

/* An answer may have interim ones before it. */
static struct verdict read_message(const struct row *row, bool response, size_t piece) {
  size_t at = 0;
  struct http_head head;
  do {
    enum http_result result = read_head(row, response, at, piece, &head);
    if (result == HTTP_MORE) return verdict_of("waits", at, NULL);
    if (result == HTTP_REFUSED) return refusal(response, head.status, head.fault);
    at += head.size;
  } while (response && head.status < 200);
  return read_body(row, response, &head, at, piece);
}

static void check_row(const struct corpus *corpus, const struct row *row) {
  bool is_tame = strcmp(row->verdict, "ok") == 0 || strcmp(row->verdict, "head") == 0;
  const char *expected = is_tame ? "ok" : row->verdict;
  struct verdict verdict = read_message(row, corpus->responses, row->all);
  bool right = strcmp(verdict.text, expected) == 0 && (!is_tame || verdict.end == row->size);
  CHECK(right);
  if (!right) (void)fprintf(stderr, "%s: %s %s\n", row->name, verdict.text, verdict.fault);
  struct verdict bytewise = read_message(row, corpus->responses, 1);
  CHECK_TEXT(bytewise.text, verdict.text);
  CHECK_NUMBER(bytewise.end, verdict.end);
  CHECK_TEXT(bytewise.fault, verdict.fault);
}

static void check_corpus(const struct corpus *corpus) {
  static struct row row;
  FILE *file = fopen(corpus->path, "re");
  CHECK(file != NULL);
  if (file == NULL) return;
  unsigned count = 0;
  for (; read_row(file, corpus, &row); count++) check_row(corpus, &row);
  (void)fclose(file);
  CHECK(count > corpus->rows_min);
}

static void requests_are_judged(void) {
  check_corpus(&requests);
}

static void responses_are_judged(void) {
  check_corpus(&responses);
}

static const struct check_case cases[] = {
    {"no hostile request is read, and every tame one is, to its end", requests_are_judged},
    {"no hostile response is read, and every tame one is, to its end", responses_are_judged},
};

CHECK_MAIN(cases)
