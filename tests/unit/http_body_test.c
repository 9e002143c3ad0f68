/* http_body_test.c — bodies by length, in chunks, until the end; cut anywhere, refused if wrong. */
#include "check.h"

#include "base/http.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A body as its reader sees it. */
struct reading {
  enum http_body_result result; /* the last one */
  size_t used;
  char data[4096];
  size_t size;
  const char *fault;
};

/* Reads `size` bytes in pieces of `piece`, each in a block of its own. */
static void read_body(enum http_framing framing, uint64_t length, const char *bytes, size_t size,
                      size_t piece, struct reading *reading) {
  struct http_head head = {.framing = framing, .body_size = length};
  struct http_body body;
  http_body_begin(&body, &head);
  memset(reading, 0, sizeof *reading);
  reading->result = HTTP_BODY_MORE;
  size_t at = 0;
  while (at <= size) {
    size_t offered = size - at < piece ? size - at : piece;
    char *copy = malloc(offered > 0 ? offered : 1);
    if (!copy) abort();
    memcpy(copy, bytes + at, offered);
    size_t used = 0;
    const char *data = NULL;
    size_t data_size = 0;
    reading->result = http_body_read(&body, copy, offered, &used, &data, &data_size);
    CHECK(used <= offered);
    at += used;
    if (reading->result == HTTP_BODY_DATA) {
      CHECK(data_size > 0 && data >= copy && data + data_size <= copy + used);
      CHECK(reading->size + data_size <= sizeof reading->data);
      memcpy(reading->data + reading->size, data, data_size);
      reading->size += data_size;
    }
    free(copy);
    if (reading->result == HTTP_BODY_MORE) CHECK_NUMBER(used, offered);
    if (reading->result == HTTP_BODY_MORE && offered == 0) break;
    if (reading->result == HTTP_BODY_END || reading->result == HTTP_BODY_BROKEN) break;
  }
  reading->used = at;
  reading->fault = body.fault;
  if (reading->result == HTTP_BODY_END) {
    size_t used = 1;
    const char *data;
    size_t data_size;
    CHECK_NUMBER(http_body_read(&body, "x", 1, &used, &data, &data_size), HTTP_BODY_END);
    CHECK_NUMBER(used, 0);
  }
}

/* The same whatever the pieces. */
static void check_body(enum http_framing framing, uint64_t length, const char *text,
                       struct reading *reading) {
  size_t size = strlen(text);
  read_body(framing, length, text, size, size + 1, reading);
  for (size_t piece = 1; piece < 20; piece++) {
    struct reading other;
    read_body(framing, length, text, size, piece, &other);
    CHECK_NUMBER(other.result, reading->result);
    CHECK_NUMBER(other.used, reading->used);
    CHECK_TEXT(other.fault, reading->fault);
    CHECK(other.size == reading->size && memcmp(other.data, reading->data, other.size) == 0);
  }
}

static void lengths_are_kept(void) {
  struct reading reading;
  check_body(HTTP_BY_LENGTH, 5, "helloGET", &reading);
  CHECK_NUMBER(reading.result, HTTP_BODY_END);
  CHECK_NUMBER(reading.used, 5);
  CHECK_TEXT(reading.data, "hello");
  check_body(HTTP_BY_LENGTH, 5, "hell", &reading);
  CHECK_NUMBER(reading.result, HTTP_BODY_MORE);
  check_body(HTTP_NO_BODY, 0, "GET", &reading);
  CHECK_NUMBER(reading.result, HTTP_BODY_END);
  CHECK_NUMBER(reading.used, 0);
  check_body(HTTP_BY_CLOSE, 0, "anything", &reading);
  CHECK_NUMBER(reading.result, HTTP_BODY_MORE);
  CHECK_TEXT(reading.data, "anything");
}

static void chunks_are_read(void) {
  static const struct {
    const char *text, *data;
  } rows[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", "hello, world"},
      {"a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", "01234567890123456789"},
      {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello"},
      {"5;a\r\nhello\r\n0;b=c;d=\"e;\\\"\r f\"\r\n\r\n", NULL},
      {"5;a\r\nhello\r\n0;b=c;d=\"e;\\\" f\"\r\n\r\n", "hello"},
      {"5\r\n\r\n0\r\n\r\n0\r\n\r\n", "\r\n0\r\n"},
      {"0\r\nX: y\r\nContent-Type:\t\xe9\r\nHosts: a\r\n\r\n", ""},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char text[256];
    (void)snprintf(text, sizeof text, "%sGET", rows[i].text);
    struct reading reading;
    check_body(HTTP_CHUNKED, 0, text, &reading);
    if (rows[i].data == NULL) {
      CHECK_NUMBER(reading.result, HTTP_BODY_BROKEN);
      continue;
    }
    CHECK_NUMBER(reading.result, HTTP_BODY_END);
    if (reading.fault != NULL) (void)fprintf(stderr, "%s: %s\n", reading.fault, rows[i].text);
    CHECK_NUMBER(reading.used, strlen(rows[i].text));
    CHECK_TEXT(reading.data, rows[i].data);
  }
}

static void chunks_are_refused(void) {
  static const char *const rows[] = {
      "\r\n",
      " 5\r\nhello\r\n",
      "5 \r\nhello\r\n",
      "5\t\r\nhello\r\n",
      "5 ;a\r\nhello\r\n",
      "+5\r\nhello\r\n",
      "-5\r\nhello\r\n",
      "0x5\r\nhello\r\n",
      "x\r\n",
      "5_0\r\n",
      ";a\r\n",
      "00000000000000005\r\nhello\r\n",
      "8000000000000000\r\n",
      "ffffffffffffffff\r\n",
      "10000000000000000\r\n",
      "5\nhello\r\n",
      "5\rhello\r\n",
      "5\r\rhello\r\n",
      "5\r\nhello0\r\n\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello\r0\r\n\r\n",
      "5\r\nhellohello\r\n0\r\n\r\n",
      "5;\r\nhello\r\n",
      "5;a;\r\nhello\r\n",
      "5;a\nhello\r\n",
      "5;a\rX\nhello\r\n",
      "5; a\r\nhello\r\n",
      "5;a =b\r\nhello\r\n",
      "5;a=\r\nhello\r\n",
      "5;a=b=c\r\nhello\r\n",
      "5;a=\"b\r\nhello\r\n",
      "5;a=\"b\\\r\n\"\r\nhello\r\n",
      "5;a=\"b\"c\r\nhello\r\n",
      "5;\x01\r\nhello\r\n",
      "0\r\n\n",
      "0\r\n\rX",
      "0\n\r\n",
      "0\r\nX\r\n\r\n",
      "0\r\nX : y\r\n\r\n",
      "0\r\n: y\r\n\r\n",
      "0\r\nX: y\n\r\n",
      "0\r\nX: y\rz\r\n\r\n",
      "0\r\nX: y\r\n z\r\n\r\n",
      "0\r\n X: y\r\n\r\n",
      "0\r\nX: \x01\r\n\r\n",
      "0\r\nContent-Length: 5\r\n\r\n",
      "0\r\nX: y\r\ntransfer-ENCODING: chunked\r\n\r\n",
      "0\r\nHost: a\r\n\r\n",
      "0\r\nTE: a\r\n\r\n",
      "0\r\nTrailer: a\r\n\r\n",
      "0\r\nConnection: a\r\n\r\n",
      "0\r\nUpgrade: a\r\n\r\n",
      "0\r\nExpect: a\r\n\r\n",
      "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct reading reading;
    check_body(HTTP_CHUNKED, 0, rows[i], &reading);
    CHECK_NUMBER(reading.result, HTTP_BODY_BROKEN);
    if (reading.result != HTTP_BODY_BROKEN) (void)fprintf(stderr, "%s\n", rows[i]);
    if (reading.result == HTTP_BODY_BROKEN) CHECK(strlen(reading.fault) > 10);
  }
}

/* --- What nobody sees ---------------------------------------------------------------------- */

static enum http_body_result feed(struct http_body *body, const char *text) {
  size_t size = strlen(text);
  enum http_body_result result = HTTP_BODY_MORE;
  while (size > 0 && (result == HTTP_BODY_MORE || result == HTTP_BODY_DATA)) {
    size_t used;
    const char *data;
    size_t data_size;
    result = http_body_read(body, text, size, &used, &data, &data_size);
    text += used;
    size -= used;
  }
  return result;
}

static struct http_body chunked(void) {
  struct http_body body;
  http_body_begin(&body, &(struct http_head){.framing = HTTP_CHUNKED});
  return body;
}

static void extensions_have_limits(void) {
  char extension[HTTP_CHUNK_LINE_BYTES_MAX];
  memset(extension, 'a', sizeof extension);
  extension[0] = '1';
  extension[1] = ';';
  memcpy(extension + sizeof extension - 3, "\r\n", 3); /* one less than allowed */
  struct http_body body = chunked();
  enum http_body_result result = HTTP_BODY_MORE;
  size_t count = 0;
  for (; count < 1000 && result != HTTP_BODY_BROKEN; count++) {
    result = feed(&body, extension);
    if (result != HTTP_BODY_BROKEN) result = feed(&body, "x\r\n");
  }
  CHECK_NUMBER(result, HTTP_BODY_BROKEN);
  CHECK_NUMBER(count, HTTP_EXTENSION_BYTES_MAX / (HTTP_CHUNK_LINE_BYTES_MAX - 4) + 1);

  memset(extension + 2, 'a', sizeof extension - 3);
  extension[sizeof extension - 1] = '\0';
  body = chunked();
  CHECK_NUMBER(feed(&body, extension), HTTP_BODY_MORE);
  CHECK_NUMBER(feed(&body, "a"), HTTP_BODY_MORE);
  CHECK_NUMBER(feed(&body, "a"), HTTP_BODY_BROKEN);
  CHECK_CONTAINS(body.fault, "too long");
}

static void trailers_have_limits(void) {
  struct http_body body = chunked();
  CHECK_NUMBER(feed(&body, "0\r\n"), HTTP_BODY_MORE);
  for (size_t size = 0; size < HTTP_TRAILER_BYTES_MAX; size += 8) {
    CHECK_NUMBER(feed(&body, "abc: v\r\n"), HTTP_BODY_MORE);
  }
  CHECK_NUMBER(feed(&body, "\r\n"), HTTP_BODY_BROKEN);
  CHECK_CONTAINS(body.fault, "too long");
}

/* What was broken stays so, and no length is added up. */
static void broken_stays_broken(void) {
  struct http_body body = chunked();
  CHECK_NUMBER(feed(&body, "7fffffffffffffff\r\nx"), HTTP_BODY_DATA);
  CHECK_NUMBER(body.left, INT64_MAX - 1);
  body = chunked();
  CHECK_NUMBER(feed(&body, "x"), HTTP_BODY_BROKEN);
  CHECK_NUMBER(feed(&body, "0\r\n\r\n"), HTTP_BODY_BROKEN);
  CHECK_CONTAINS(body.fault, "hex");
}

static const struct check_case cases[] = {
    {"a body with a length ends there, and one without when all ends", lengths_are_kept},
    {"chunks are read, and what is said beside them is passed over", chunks_are_read},
    {"chunks that two readers could read differently are refused", chunks_are_refused},
    {"extensions have a limit for a chunk and for all of them", extensions_have_limits},
    {"a trailer has a limit", trailers_have_limits},
    {"what is broken stays broken", broken_stays_broken},
};

CHECK_MAIN(cases)
