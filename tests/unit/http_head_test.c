/* http_head_test.c — heads of requests and responses: read, refused, cut anywhere. */
#include "check.h"

#include "base/http.h"
#include "base/http_bytes.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct http_limits limits = {.head_bytes_max = HTTP_HEAD_BYTES_DEFAULT};

/* --- Readers ------------------------------------------------------------------------------- */

enum kind { REQUEST, RESPONSE, RESPONSE_TO_HEAD };

static enum http_result ask(enum kind kind, const struct http_limits *limits_, size_t *scanned,
                            const char *bytes, size_t size, struct http_head *head) {
  if (kind == REQUEST) return http_read_request(limits_, scanned, bytes, size, head);
  return http_read_response(limits_, scanned, bytes, size, kind == RESPONSE_TO_HEAD, head);
}

static bool same_span(struct http_span one, struct http_span other) {
  return one.at == other.at && one.size == other.size;
}

static bool same_head(const struct http_head *one, const struct http_head *other) {
  return one->size == other->size && one->minor == other->minor &&
         same_span(one->method, other->method) && same_span(one->target, other->target) &&
         same_span(one->reason, other->reason) && same_span(one->fields, other->fields) &&
         one->field_count == other->field_count && one->status == other->status &&
         one->framing == other->framing && one->body_size == other->body_size &&
         one->keeps_alive == other->keeps_alive &&
         one->expects_continue == other->expects_continue && one->upgrades == other->upgrades;
}

/* Each prefix in a block of its own, so that reading past it is found out. The answer must come
 * with the same byte, and be the same, as when the prefix comes at once. */
static enum http_result read_pieces(enum kind kind, const char *bytes, size_t size,
                                    struct http_head *head) {
  size_t scanned = 0;
  for (size_t arrived = 1; arrived <= size; arrived++) {
    char *copy = malloc(arrived);
    if (!copy) abort();
    memcpy(copy, bytes, arrived);
    struct http_head at_once;
    size_t none = 0;
    enum http_result expected = ask(kind, &limits, &none, copy, arrived, &at_once);
    enum http_result result = ask(kind, &limits, &scanned, copy, arrived, head);
    free(copy);
    CHECK_NUMBER(result, expected);
    if (result == HTTP_REFUSED) {
      CHECK_NUMBER(head->status, at_once.status);
      CHECK_TEXT(head->fault, at_once.fault);
    }
    if (result == HTTP_HEAD) CHECK(same_head(head, &at_once));
    if (result != HTTP_MORE || result != expected) return result;
  }
  return HTTP_MORE;
}

/* Reads `bytes` both ways. */
static enum http_result read_sized(enum kind kind, const char *bytes, size_t size,
                                   struct http_head *head) {
  size_t scanned = 0;
  enum http_result result = ask(kind, &limits, &scanned, bytes, size, head);
  struct http_head in_pieces;
  CHECK_NUMBER(read_pieces(kind, bytes, size, &in_pieces), result);
  if (result == HTTP_HEAD) CHECK(same_head(&in_pieces, head));
  if (result == HTTP_REFUSED) CHECK_TEXT(in_pieces.fault, head->fault);
  return result;
}

static enum http_result read_text(enum kind kind, const char *text, struct http_head *head) {
  return read_sized(kind, text, strlen(text), head);
}

static void check_span(const char *bytes, struct http_span span, const char *expected) {
  char text[256];
  (void)snprintf(text, sizeof text, "%.*s", (int)span.size, bytes + span.at);
  CHECK_TEXT(text, expected);
}

/* "name=value;name=value;" as http_next_field() has them. */
static void check_fields(const char *bytes, const struct http_head *head, const char *expected) {
  char text[1024] = "";
  size_t size = 0;
  size_t at = 0;
  unsigned count = 0;
  struct http_span name;
  struct http_span value;
  while (http_next_field(bytes, head, &at, &name, &value)) {
    size += (size_t)snprintf(text + size, sizeof text - size, "%.*s=%.*s;", (int)name.size,
                             bytes + name.at, (int)value.size, bytes + value.at);
    count++;
  }
  CHECK_TEXT(text, expected);
  CHECK_NUMBER(head->field_count, count);
}

/* --- Requests ------------------------------------------------------------------------------ */

static void request_is_read(void) {
  const char *text = "POST /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nX-Empty:\r\n"
                     "x-Blanks:\t two  words \t\r\nContent-Length: 12\r\n\r\nhello, world";
  struct http_head head;
  CHECK_NUMBER(read_text(REQUEST, text, &head), HTTP_HEAD);
  CHECK_NUMBER(head.size, strlen(text) - 12);
  CHECK_NUMBER(head.minor, 1);
  CHECK_NUMBER(head.status, 0);
  check_span(text, head.method, "POST");
  check_span(text, head.target, "/a/b?c=d");
  check_fields(text, &head,
               "Host=example.com:8080;X-Empty=;x-Blanks=two  words;Content-Length=12;");
  CHECK_NUMBER(head.framing, HTTP_BY_LENGTH);
  CHECK_NUMBER(head.body_size, 12);
  CHECK(head.keeps_alive && !head.expects_continue && !head.upgrades);
}

static void fields_are_found(void) {
  const char *text = "GET / HTTP/1.1\r\nHost: a\r\nAccept: 1\r\nACCEPT: 2\r\nAccept-Foo: 3\r\n"
                     "Via: x ,, y\t,Zed\r\n\r\n";
  struct http_head head;
  CHECK_NUMBER(read_text(REQUEST, text, &head), HTTP_HEAD);
  size_t at = 0;
  struct http_span value;
  CHECK(http_find_field(text, &head, &at, "accept", 6, &value));
  check_span(text, value, "1");
  CHECK(http_find_field(text, &head, &at, "accept", 6, &value));
  check_span(text, value, "2");
  CHECK(!http_find_field(text, &head, &at, "accept", 6, &value));
  at = 0;
  CHECK(!http_find_field(text, &head, &at, "accept-foo:", 11, &value));
  at = 0;
  CHECK(!http_find_field(text, &head, &at, "", 0, &value));
  CHECK(http_field_has(text, &head, "via", "x"));
  CHECK(http_field_has(text, &head, "via", "zed"));
  CHECK(!http_field_has(text, &head, "via", "ze"));
  CHECK(!http_field_has(text, &head, "none", "x"));
}

static void pipelined_requests_are_read(void) {
  const char *text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  struct http_head head;
  CHECK_NUMBER(read_text(REQUEST, text, &head), HTTP_HEAD);
  check_span(text, head.target, "/1");
  CHECK_NUMBER(read_text(REQUEST, text + head.size, &head), HTTP_HEAD);
  check_span(text + strlen(text) / 2, head.target, "/2");
}

static void empty_line_may_come_first(void) {
  struct http_head head;
  const char *text = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
  CHECK_NUMBER(read_text(REQUEST, text, &head), HTTP_HEAD);
  CHECK_NUMBER(head.size, strlen(text));
  check_span(text, head.method, "GET");
}

/* What the connection does behind a request, and what the request waits for. */
static void connection_is_understood(void) {
  static const struct {
    const char *text;
    bool keeps_alive, expects_continue, upgrades;
  } rows[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, , CLOSE\r\n\r\n", false, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closer\r\n\r\n", true, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: a\r\nConnection: close\r\n\r\n", false, false,
       false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive\r\n\r\n", false, false, false},
      {"GET / HTTP/1.0\r\n\r\n", false, false, false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, false},
      {"GET / HTTP/1.0\r\nConnection: close, Keep-Alive\r\n\r\n", false, false, false},
      {"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n", true, true, false},
      {"PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true,
       false, true},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket, h2c/1\r\n"
       "Connection: keep-alive, upgrade\r\n\r\n",
       true, false, true},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", true, false, false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", true, false, false},
      {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false, false, false},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct http_head head;
    CHECK_NUMBER(read_text(REQUEST, rows[i].text, &head), HTTP_HEAD);
    bool same = head.keeps_alive == rows[i].keeps_alive &&
                head.expects_continue == rows[i].expects_continue &&
                head.upgrades == rows[i].upgrades;
    CHECK(same);
    if (!same) (void)fprintf(stderr, "%s", rows[i].text);
  }
}

static void targets_are_split(void) {
  static const struct {
    const char *target, *path, *query;
  } rows[] = {
      {"/", "/", NULL},
      {"/a?", "/a", ""},
      {"/a?b?c", "/a", "b?c"},
      {"//a/b", "//a/b", NULL},
      {"http://a", "", NULL},
      {"HTTP://a/", "/", NULL},
      {"https://a/b/c?d/e", "/b/c", "d/e"},
      {"http://a?d/e", "", "d/e"},
      {"*", "", NULL},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char text[128];
    (void)snprintf(text, sizeof text, "OPTIONS %s HTTP/1.1\r\nHost: A\r\n\r\n", rows[i].target);
    struct http_head head;
    CHECK_NUMBER(read_text(REQUEST, text, &head), HTTP_HEAD);
    struct http_span path;
    struct http_span query;
    CHECK(http_split_target(text, &head, &path, &query) == (rows[i].query != NULL));
    check_span(text, path, rows[i].path);
    if (rows[i].query != NULL) check_span(text, query, rows[i].query);
  }
}

/* --- Refused requests ---------------------------------------------------------------------- */

struct refused {
  unsigned status;
  const char
      *text; /* after "GET / HTTP/1.1\r\nHost: a\r\n" if it does not begin a request itself */
};

#define HOST "GET / HTTP/1.1\r\nHost: a\r\n"
#define END "\r\n\r\n"

static const struct refused refused_requests[] = {
    /* Lines. */
    {400, "GET / HTTP/1.1\nHost: a\n\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
    {400, HOST "\n"},
    {400, HOST "X: a\rb" END},
    {400, HOST "X: a\r\r\n\r\n"},
    {400, HOST "X: a\x01"
               "b" END},
    {400, HOST "X: a\x7f" END},
    {400, HOST "X\x0b: a" END},
    {400, HOST "X: a\r\n b" END},
    {400, HOST "X: a\r\n\tb" END},
    {400, HOST " X: a" END},
    {400, HOST "X : a" END},
    {400, HOST "X\t: a" END},
    {400, HOST ": a" END},
    {400, HOST "X" END},
    {400, HOST "X y: a" END},
    {400, HOST "X(y): a" END},
    {400, HOST "X\xe9: a" END},
    {400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a" END},
    {400, "\nGET / HTTP/1.1\r\nHost: a" END},
    {400, "\x16\x03\x01"},
    /* The first line. */
    {400, " GET / HTTP/1.1\r\nHost: a" END},
    {400, "GET  / HTTP/1.1\r\nHost: a" END},
    {400, "GET /  HTTP/1.1\r\nHost: a" END},
    {400, "GET / HTTP/1.1 \r\nHost: a" END},
    {400, "GET\t/ HTTP/1.1\r\nHost: a" END},
    {400, "GET /\tHTTP/1.1\r\nHost: a" END},
    {400, "GET /" END},
    {400, "GET" END},
    {400, "G:T / HTTP/1.1\r\nHost: a" END},
    {400, "GET /a b HTTP/1.1\r\nHost: a" END},
    {400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a" END},
    {400, "GET /a#b HTTP/1.1\r\nHost: a" END},
    {400, "GET a HTTP/1.1\r\nHost: a" END},
    {400, "GET * HTTP/1.1\r\nHost: a" END},
    {400, "GET ftp://a/ HTTP/1.1\r\nHost: a" END},
    {400, "GET http:///a HTTP/1.1\r\nHost: a" END},
    {400, "GET http://u@a/ HTTP/1.1\r\nHost: a" END},
    {400, "GET http://b/ HTTP/1.1\r\nHost: a" END},
    {400, "GET http://a:80/ HTTP/1.1\r\nHost: a" END},
    {400, "GET / http/1.1\r\nHost: a" END},
    {400, "GET / HTTP/1\r\nHost: a" END},
    {400, "GET / HTTP/1.11\r\nHost: a" END},
    {400, "GET / HTTP/x.1\r\nHost: a" END},
    {505, "GET / HTTP/2.0\r\nHost: a" END},
    {505, "PRI * HTTP/2.0\r\n\r\nSM" END},
    {505, "GET / HTTP/1.2\r\nHost: a" END},
    {505, "GET / HTTP/0.9\r\nHost: a" END},
    {501, "ABCDEFGHIJABCDEFGHIJABCDEFGHIJABC / HTTP/1.1\r\nHost: a" END},
    {501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443" END},
    /* Host. */
    {400, "GET / HTTP/1.1" END},
    {400, HOST "Host: a" END},
    {400, HOST "host: b" END},
    {400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a" END},
    {400, "GET / HTTP/1.1\r\nHost:" END},
    {400, "GET / HTTP/1.1\r\nHost: a b" END},
    {400, "GET / HTTP/1.1\r\nHost: a,b" END},
    {400, "GET / HTTP/1.1\r\nHost: u@a" END},
    {400, "GET / HTTP/1.1\r\nHost: a/b" END},
    {400, "GET / HTTP/1.1\r\nHost: a:" END},
    {400, "GET / HTTP/1.1\r\nHost: a:b" END},
    {400, "GET / HTTP/1.1\r\nHost: a:65536" END},
    {400, "GET / HTTP/1.1\r\nHost: a:000080" END},
    {400, "GET / HTTP/1.1\r\nHost: :80" END},
    {400, "GET / HTTP/1.1\r\nHost: [::1" END},
    {400, "GET / HTTP/1.1\r\nHost: []" END},
    {400, "GET / HTTP/1.1\r\nHost: [::1]x" END},
    {400, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]" END},
    {400, "GET / HTTP/1.1\r\nHost: ::1" END},
    /* The body's length. */
    {400, HOST "Content-Length: 5\r\nTransfer-Encoding: chunked" END},
    {400, HOST "Transfer-Encoding: chunked\r\nContent-Length: 0" END},
    {400, HOST "Content-Length: 5\r\nContent-Length: 6" END},
    {400, HOST "Content-Length: 5\r\ncontent-length: 5" END},
    {400, HOST "Content-Length: 5, 5" END},
    {400, HOST "Content-Length: +5" END},
    {400, HOST "Content-Length: -5" END},
    {400, HOST "Content-Length: 0x5" END},
    {400, HOST "Content-Length: 5 5" END},
    {400, HOST "Content-Length: 5a" END},
    {400, HOST "Content-Length: 5." END},
    {400, HOST "Content-Length: 05" END},
    {400, HOST "Content-Length:" END},
    {400, HOST "Content-Length: 18446744073709551616" END},
    {400, HOST "Content-Length: 9223372036854775808" END},
    {400, HOST "Content_Length: 5" END},
    {400, HOST "Transfer_Encoding: chunked" END},
    {400, HOST "Transfer-Encoding:" END},
    {400, HOST "Transfer-Encoding: ," END},
    {400, HOST "Transfer-Encoding: chunked, chunked" END},
    {400, HOST "Transfer-Encoding: chunked, gzip" END},
    {400, HOST "Transfer-Encoding: chunked," END},
    {400, HOST "Transfer-Encoding: \"chunked\"" END},
    {400, HOST "Transfer-Encoding: chunked;q=1" END},
    {400, HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" END},
    {501, HOST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked" END},
    {501, HOST "Transfer-Encoding: gzip, chunked" END},
    {501, HOST "Transfer-Encoding: identity" END},
    {501, HOST "Transfer-Encoding: xchunked" END},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked" END},
    /* Others. */
    {417, HOST "Expect: 200-ok" END},
    {417, HOST "Expect: 100-continue, 100-continue" END},
    {417, HOST "Expect:" END},
    {400, HOST "Connection: close; x" END},
    {400, HOST "Connection: \"close\"" END},
    {400, HOST "Connection: Content-Length" END},
    {400, HOST "Upgrade: a;b" END},
};

static void requests_are_refused(void) {
  for (size_t i = 0; i < COUNT(refused_requests); i++) {
    struct http_head head = {0};
    enum http_result result = read_text(REQUEST, refused_requests[i].text, &head);
    bool same = result == HTTP_REFUSED && head.status == refused_requests[i].status;
    CHECK(same);
    if (!same) (void)fprintf(stderr, "%u: %s", head.status, refused_requests[i].text);
    if (result == HTTP_REFUSED) CHECK(strlen(head.fault) > 10);
  }
}

static void odd_requests_are_read(void) {
  static const char *const rows[] = {
      HOST "X: \xc3\xa9\tb\r\n\r\n",
      HOST "!#$%&'*+-.^_`|~: a\r\n\r\n",
      "M-SEARCH /{a}|\"b\"\\^<> HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET http://[::1]:8080/ HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a_b.EXAMPLE.com.:65535\r\n\r\n",
      "GET http://Example.com HTTP/1.1\r\nHost: example.COM\r\n\r\n",
      "GET http://a/ HTTP/1.0\r\n\r\n",
      HOST "Transfer-Encoding:\t Chunked \t\r\n\r\n",
      HOST "Content-Length:0\r\n\r\n",
      HOST "Content-Length: 999999999999999999\r\n\r\n",
      "ABCDEFGHIJABCDEFGHIJABCDEFGHIJAB / HTTP/1.1\r\nHost: a\r\n\r\n",
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct http_head head;
    enum http_result result = read_text(REQUEST, rows[i], &head);
    CHECK_NUMBER(result, HTTP_HEAD);
    if (result != HTTP_HEAD) (void)fprintf(stderr, "%s: %s", head.fault, rows[i]);
  }
}

/* A NUL ends nothing: neither a line, nor a look at one. */
static void nul_is_refused_anywhere(void) {
  const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nX-Name: value\r\n\r\n";
  for (size_t i = 0; i + 1 < sizeof text; i++) {
    char copy[sizeof text];
    memcpy(copy, text, sizeof text);
    copy[i] = '\0';
    struct http_head head;
    CHECK_NUMBER(read_sized(REQUEST, copy, sizeof text - 1, &head), HTTP_REFUSED);
    CHECK_NUMBER(head.status, 400);
  }
}

/* --- Limits -------------------------------------------------------------------------------- */

/* A head with `count` fields behind Host, of `size` bytes in all. */
static char *long_head(size_t size, unsigned count, size_t target_size) {
  char *text = malloc(size + 1);
  if (!text) abort();
  memset(text, 'a', size);
  text[size] = '\0';
  memcpy(text, "GET /", 5);
  char *at = text + 4 + target_size;
  memcpy(at, " HTTP/1.1\r\nHost: a\r\n", 20);
  at += 20;
  for (unsigned i = 0; i < count; i++) {
    memcpy(at, "x: ", 3);
    if (i > 0) memcpy(at - 2, "\r\n", 2);
    at += 8;
  }
  memcpy(text + size - 4, "\r\n\r\n", 4);
  return text;
}

static void heads_have_limits(void) {
  static const struct {
    size_t size;
    unsigned count;
    size_t target_size;
    unsigned status;
  } rows[] = {
      {HTTP_HEAD_BYTES_DEFAULT, 1, 5, 0},
      {HTTP_HEAD_BYTES_DEFAULT + 1, 1, 5, 431},
      {HTTP_HEAD_BYTES_DEFAULT + 100, 1, HTTP_HEAD_BYTES_DEFAULT, 414},
      {4000, 99, 5, 0},
      {4000, 100, 5, 431},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char *text = long_head(rows[i].size, rows[i].count, rows[i].target_size);
    struct http_head head = {0};
    size_t scanned = 0;
    enum http_result result = http_read_request(&limits, &scanned, text, rows[i].size, &head);
    CHECK_NUMBER(result, rows[i].status == 0 ? HTTP_HEAD : HTTP_REFUSED);
    CHECK_NUMBER(head.status, rows[i].status);
    scanned = 0;
    for (size_t size = 1; size <= rows[i].size; size++) {
      result = http_read_request(&limits, &scanned, text, size, &head);
      if (result != HTTP_MORE) break;
    }
    CHECK_NUMBER(result, rows[i].status == 0 ? HTTP_HEAD : HTTP_REFUSED);
    CHECK_NUMBER(head.status, rows[i].status);
    free(text);
  }
}

static void lowered_limit_is_kept(void) {
  const char *text = HOST "X: a long value\r\n\r\n";
  struct http_head head;
  size_t scanned = 0;
  CHECK_NUMBER(http_read_request(&limits, &scanned, text, 35, &head), HTTP_MORE);
  struct http_limits lower = {.head_bytes_max = 30};
  CHECK_NUMBER(http_read_request(&lower, &scanned, text, 36, &head), HTTP_REFUSED);
  CHECK_NUMBER(head.status, 431);
}

/* --- Responses ----------------------------------------------------------------------------- */

static void responses_are_read(void) {
  static const struct {
    enum kind kind;
    const char *text;
    unsigned status;
    const char *reason;
    enum http_framing framing;
    bool keeps_alive;
  } rows[] = {
      {RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 5" END, 200, "OK", HTTP_BY_LENGTH, true},
      {RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 0" END, 200, "OK", HTTP_NO_BODY, true},
      {RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END, 200, "OK", HTTP_CHUNKED,
       true},
      {RESPONSE, "HTTP/1.1 404 Not Found" END, 404, "Not Found", HTTP_BY_CLOSE, false},
      {RESPONSE, "HTTP/1.0 200 \r\nContent-Length: 5" END, 200, "", HTTP_BY_LENGTH, false},
      {RESPONSE, "HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 5" END, 200, "",
       HTTP_BY_LENGTH, true},
      {RESPONSE, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5" END, 200, "OK",
       HTTP_BY_LENGTH, false},
      {RESPONSE, "HTTP/1.1 100 Continue" END, 100, "Continue", HTTP_NO_BODY, true},
      {RESPONSE, "HTTP/1.1 204 No Content\r\nContent-Length: 0" END, 204, "No Content",
       HTTP_NO_BODY, true},
      {RESPONSE, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5" END, 304, "Not Modified",
       HTTP_NO_BODY, true},
      {RESPONSE_TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5" END, 200, "OK", HTTP_NO_BODY, true},
      {RESPONSE_TO_HEAD, "HTTP/1.1 200 OK" END, 200, "OK", HTTP_NO_BODY, true},
      {RESPONSE, "HTTP/1.1 999 d\xe9j\xe0\r\nHost: !\r\nExpect: x" END, 999, "d\xe9j\xe0",
       HTTP_BY_CLOSE, false},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct http_head head;
    enum http_result result = read_text(rows[i].kind, rows[i].text, &head);
    CHECK_NUMBER(result, HTTP_HEAD);
    if (result != HTTP_HEAD) continue;
    CHECK_NUMBER(head.status, rows[i].status);
    check_span(rows[i].text, head.reason, rows[i].reason);
    CHECK_NUMBER(head.framing, rows[i].framing);
    CHECK(head.keeps_alive == rows[i].keeps_alive);
  }
}

static void upgrade_is_answered(void) {
  struct http_head head;
  const char *text =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade" END;
  CHECK_NUMBER(read_text(RESPONSE, text, &head), HTTP_HEAD);
  CHECK(head.upgrades && head.framing == HTTP_NO_BODY);
}

static void responses_are_refused(void) {
  static const char *const rows[] = {
      "\r\nHTTP/1.1 200 OK" END,
      "HTTP/1.1  200 OK" END,
      "HTTP/1.1 20 OK" END,
      "HTTP/1.1 2000 OK" END,
      "HTTP/1.1 200OK" END,
      "HTTP/1.1 099 x" END,
      "HTTP/1.1\r\n\r\n",
      "HTTP/2 200" END,
      "HTTP/2.0 200 OK" END,
      "http/1.1 200 OK" END,
      "HTTP/1.1 200 OK\n\n",
      "HTTP/1.1 200 O\x01" END,
      "HTTP/1.1 200 OK\r\nX: a\r\n b" END,
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5" END,
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked" END,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked" END,
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked" END,
      "HTTP/1.1 204 No Content\r\nContent-Length: 5" END,
      "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked" END,
      "HTTP/1.1 100 Continue\r\nContent-Length: 5" END,
      "SSH-2.0-OpenSSH_9.2\r\n",
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct http_head head;
    enum http_result result = read_text(RESPONSE, rows[i], &head);
    CHECK_NUMBER(result, HTTP_REFUSED);
    if (result != HTTP_REFUSED) (void)fprintf(stderr, "%s", rows[i]);
  }
}

/* --- What is written ----------------------------------------------------------------------- */

static void bytes_are_of_their_class(void) {
  for (unsigned i = 0; i < 256; i++) {
    bool alnum = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') || (i >= 'a' && i <= 'z');
    bool visible = i > 0x20 && i < 0x7f;
    bool hex = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'F') || (i >= 'a' && i <= 'f');
    char byte = (char)i;
    CHECK(http_is_token(&byte, 1) == (i > 0 && (alnum || strchr("!#$%&'*+-.^_`|~", byte) != NULL)));
    CHECK(http_is_value(&byte, 1) == (visible || i == ' ' || i == '\t' || i >= 0x80));
    CHECK(http_byte_is(byte, HTTP_BYTE_TARGET) == (visible && i != '#'));
    CHECK(http_byte_is(byte, HTTP_BYTE_HOST) == (alnum || i == '-' || i == '.' || i == '_'));
    CHECK(http_byte_is(byte, HTTP_BYTE_HEX) == hex);
  }
  CHECK(!http_is_token("", 0));
  CHECK(http_is_value("", 0));
}

static void reasons_are_known(void) {
  CHECK_TEXT(http_reason(200), "OK");
  CHECK_TEXT(http_reason(431), "Request Header Fields Too Large");
  CHECK_TEXT(http_reason(299), "");
}

static const struct check_case cases[] = {
    {"a request is read", request_is_read},
    {"fields are found in any case, one after the other, and tokens in their lists",
     fields_are_found},
    {"a request ends where the next one begins", pipelined_requests_are_read},
    {"one empty line may stand before a request", empty_line_may_come_first},
    {"Connection, Expect and Upgrade are understood by version", connection_is_understood},
    {"a target is split into path and query", targets_are_split},
    {"what can be read in two ways is refused", requests_are_refused},
    {"what is odd and allowed is read", odd_requests_are_read},
    {"a NUL is refused wherever it stands", nul_is_refused_anywhere},
    {"a head has a limit of bytes and of fields", heads_have_limits},
    {"a limit that was lowered counts for a head that is under way", lowered_limit_is_kept},
    {"responses are read, with what their status says of a body", responses_are_read},
    {"a response that upgrades says so", upgrade_is_answered},
    {"responses that can be read in two ways are refused", responses_are_refused},
    {"the table of bytes says what the standard says", bytes_are_of_their_class},
    {"reasons are those of the registry", reasons_are_known},
};

CHECK_MAIN(cases)
