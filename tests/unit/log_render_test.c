/* log_render_test.c — records as text and JSON: what is shown, what is escaped, what is cut. */
#include "check.h"

#include "base/log_render.h"
#include "base/utf8.h"

#include <stdlib.h>

static const struct timespec noon = {.tv_sec = 1795348801, .tv_nsec = 123456789};
static const struct log_style text_style = {.json = false};
static const struct log_style json_style = {.json = true};

/* Renders into a string of its own; read before the next. */
static const char *render(const struct log_style *style, const struct log_record *record) {
  static char line[LOG_LINE_SIZE_MAX + 1];
  size_t size = log_render(style, &noon, record, line);
  line[size] = '\0';
  CHECK(size <= LOG_LINE_SIZE_MAX);
  CHECK(size > 0 && line[size - 1] == '\n');
  return line;
}

static struct log_record record_of(const char *message, size_t size) {
  return (struct log_record){.level = LOG_INFO, .message = message, .message_size = size};
}

#define RECORD(literal) record_of(literal, sizeof(literal) - 1)

/* Whether a whole line is UTF-8 and shows all of its characters, its newlines aside. */
static bool is_clean(const char *line, bool one_line) {
  size_t size = strlen(line);
  for (size_t i = 0; i < size;) {
    uint32_t code_point = 0;
    size_t length = utf8_decode(line + i, size - i, &code_point);
    bool newline = code_point == '\n' && (!one_line || i + 1 == size);
    if (length == 0 || (!utf8_is_shown(code_point) && !newline)) {
      return false;
    }
    i += length;
  }
  return true;
}

static void shows_text(void) {
  struct log_record record = RECORD("hello");
  CHECK_TEXT(render(&text_style, &record), "2026-11-22 12:00:01.123 info  hello\n");
  record.script = "chat.lua";
  CHECK_TEXT(render(&text_style, &record), "2026-11-22 12:00:01.123 info  chat.lua: hello\n");
  record.conn = 12;
  record.level = LOG_ERROR;
  CHECK_TEXT(render(&text_style, &record), "2026-11-22 12:00:01.123 error chat.lua #12: hello\n");
  record.script = NULL;
  CHECK_TEXT(render(&text_style, &record), "2026-11-22 12:00:01.123 error #12: hello\n");
}

static void leaves_out_what_is_named(void) {
  struct log_record record = RECORD("chat.lua:3: hello");
  record.script = "chat.lua";
  record.conn = 12;
  record.names_both = true;
  CHECK_TEXT(render(&text_style, &record), "2026-11-22 12:00:01.123 info  chat.lua:3: hello\n");
  CHECK_TEXT(render(&json_style, &record),
             "{\"time\":\"2026-11-22T12:00:01.123Z\",\"level\":\"info\",\"script\":\"chat.lua\","
             "\"conn\":12,\"message\":\"chat.lua:3: hello\"}\n");
}

static void shows_an_access(void) {
  char long_text[3000];
  memset(long_text, '\x01', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = '\0';
  struct log_access access = {.peer = "127.0.0.1:9",
                              .listener = "unix:/\x01",
                              .reason = "eof",
                              .bytes_in = 5,
                              .bytes_out = UINT64_MAX,
                              .age_ms = 1204};
  struct log_record record = RECORD("bye");
  record.access = &access;
  CHECK_TEXT(render(&text_style, &record), "2026-11-22 12:00:01.123 info  bye\n");
  CHECK_TEXT(render(&json_style, &record),
             "{\"time\":\"2026-11-22T12:00:01.123Z\",\"level\":\"info\",\"peer\":\"127.0.0.1:9\","
             "\"listener\":\"unix:/\\u0001\",\"reason\":\"eof\",\"bytes_in\":5,"
             "\"bytes_out\":18446744073709551615,\"duration_ms\":1204,\"message\":\"bye\"}\n");
  access.peer = access.listener = record.script = long_text;
  record.message = record.traceback = long_text;
  record.message_size = record.traceback_size = sizeof long_text - 1;
  CHECK(is_clean(render(&json_style, &record), true));
}

static void shows_json(void) {
  struct log_record record = RECORD("a \"b\" \\ c");
  CHECK_TEXT(render(&json_style, &record),
             "{\"time\":\"2026-11-22T12:00:01.123Z\",\"level\":\"info\","
             "\"message\":\"a \\\"b\\\" \\\\ c\"}\n");
  record.script = "chat.lua";
  record.conn = UINT64_MAX;
  record.traceback = "stack traceback:\n\t[C]: in ?";
  record.traceback_size = strlen(record.traceback);
  CHECK_CONTAINS(render(&json_style, &record),
                 "\"script\":\"chat.lua\",\"conn\":18446744073709551615,\"message\"");
  CHECK_CONTAINS(render(&json_style, &record),
                 ",\"traceback\":\"stack traceback:\\n\\u0009[C]: in ?\"}\n");
}

static void indents_a_traceback(void) {
  struct log_record record = RECORD("boom");
  record.traceback = "stack traceback:\n\t[C]: in \x1b[2J\n\n\tx.lua:1: in main\n";
  record.traceback_size = strlen(record.traceback);
  CHECK_CONTAINS(render(&text_style, &record),
                 "boom\n  stack traceback:\n    [C]: in \\x1b[2J\n    x.lua:1: in main\n");
}

static void colours_only_the_level(void) {
  const struct log_style style = {.colour = true};
  struct log_record record = RECORD("\033[31mred");
  CHECK_TEXT(render(&style, &record),
             "2026-11-22 12:00:01.123 \033[32minfo\033[0m  \\x1b[31mred\n");
}

static void escapes_in_text(void) {
  struct log_record record = RECORD("a\nb\rc\td\0e\x7f\xff\xc2\x85");
  CHECK_CONTAINS(render(&text_style, &record), "a\\nb\\x0dc\\x09d\\x00e\\x7f\\xff\\xc2\\x85\n");
  record = RECORD("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x99");
  CHECK_CONTAINS(render(&text_style, &record),
                 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x99\n");
  record = RECORD("\xe2\x80\xae\x65\x76\x69\x6c");
  CHECK_CONTAINS(render(&text_style, &record), "\\xe2\\x80\\xaeevil\n");
  record = RECORD("pay\xe2\x80\x8bpal \xed\x95\x9c\xe3\x85\xa4 \xf3\xa0\x81\x81");
  CHECK_CONTAINS(render(&text_style, &record),
                 "pay\\xe2\\x80\\x8bpal \xed\x95\x9c\\xe3\\x85\\xa4 \\xf3\\xa0\\x81\\x81\n");
}

static void lays_out_on_a_terminal(void) {
  const struct log_style style = {.lays_out = true};
  struct log_record record =
      RECORD("a\t6\tb\n\tc\n2026-11-22 12:00:01.123 error \rforged\x1b[1m\n");
  CHECK_TEXT(render(&style, &record), "2026-11-22 12:00:01.123 info  a\t6\tb\n    c\n"
                                      "    2026-11-22 12:00:01.123 error \\x0dforged\\x1b[1m\\n\n");
}

static void escapes_in_json(void) {
  struct log_record record = RECORD("a\nb\r\x1b\0\x7f\xc2\x85");
  CHECK_CONTAINS(render(&json_style, &record), "\"a\\nb\\u000d\\u001b\\u0000\\u007f\\u0085\"");
  record = RECORD("\xff\xc3(\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80");
  CHECK_CONTAINS(
      render(&json_style, &record),
      "\"\\\\xff\\\\xc3(\\\\xed\\\\xa0\\\\x80\\\\xc0\\\\xaf\\\\xf4\\\\x90\\\\x80\\\\x80\"");
  record = RECORD("\xe2\x80\x8b\xf3\xa0\x81\x81");
  CHECK_CONTAINS(render(&json_style, &record), "\"\\u200b\\udb40\\udc41\"");
  record = RECORD("cut in a character \xe2\x82");
  CHECK_CONTAINS(render(&json_style, &record), "cut in a character \\\\xe2\\\\x82\"");
}

/* Every size around the limits, with what grows most and least when it is escaped. */
static void cuts_what_is_too_long(void) {
  static char bytes[LOG_LINE_SIZE_MAX * 2];
  static const char fills[] = {'m', '\xff', '"', '\n'};
  for (size_t fill = 0; fill < sizeof fills; fill++) {
    memset(bytes, fills[fill], sizeof bytes);
    for (size_t size = 1000; size < sizeof bytes; size += 97) {
      struct log_record record = record_of(bytes, size);
      CHECK(is_clean(render(&json_style, &record), true));
      CHECK(is_clean(render(&text_style, &record), true));
      record.traceback = bytes;
      record.traceback_size = size;
      CHECK(is_clean(render(&json_style, &record), true));
      CHECK_CONTAINS(render(&json_style, &record), "\"}\n");
      CHECK(is_clean(render(&text_style, &record), false));
    }
    struct log_record record = record_of(bytes, sizeof bytes);
    CHECK_CONTAINS(render(&json_style, &record), " [cut]\"}\n");
    CHECK_CONTAINS(render(&text_style, &record), " [cut]\n");
  }
}

static void leaves_room_for_the_traceback(void) {
  static char bytes[LOG_LINE_SIZE_MAX];
  memset(bytes, 'm', sizeof bytes);
  struct log_record record = record_of(bytes, sizeof bytes);
  record.script = bytes;
  bytes[sizeof bytes - 1] = '\0';
  record.traceback = "stack traceback:\n\tx.lua:1: in main";
  record.traceback_size = strlen(record.traceback);
  CHECK_CONTAINS(render(&json_style, &record), "x.lua:1: in main\"}\n");
  CHECK_CONTAINS(render(&text_style, &record),
                 " [cut]\n  stack traceback:\n    x.lua:1: in main\n");
}

static void stays_clean_whatever_comes(void) {
  srand(1); /* the same bytes in every run */
  for (int round = 0; round < 2000; round++) {
    char bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++) {
      bytes[i] = (char)(rand() % 4 == 0 ? rand() % 128 : 0x80 + rand() % 128);
    }
    struct log_record record = record_of(bytes, sizeof bytes);
    record.traceback = bytes;
    record.traceback_size = sizeof bytes;
    CHECK(is_clean(render(&json_style, &record), true));
    CHECK(is_clean(render(&text_style, &record), false));
  }
}

static const struct check_case cases[] = {
    {"text shows time, level, script and connection", shows_text},
    {"JSON has a field for each, and none for what is absent", shows_json},
    {"text leaves out what the message names", leaves_out_what_is_named},
    {"JSON has fields for what a connection came to", shows_an_access},
    {"a traceback stands indented below its message", indents_a_traceback},
    {"colour is put around the level and comes from nowhere else", colours_only_the_level},
    {"text escapes control characters and broken UTF-8, and no other", escapes_in_text},
    {"on a terminal tabs and newlines lay a message out, and forge no line",
     lays_out_on_a_terminal},
    {"JSON escapes control characters and broken UTF-8, and no other", escapes_in_json},
    {"a record of any length ends as one bounded, valid line", cuts_what_is_too_long},
    {"a long message leaves room for its traceback", leaves_room_for_the_traceback},
    {"random bytes come out clean", stays_clean_whatever_comes},
};

int main(void) {
  (void)setenv("TZ", "UTC", 1);
  return check_run(cases, sizeof cases / sizeof cases[0]);
}
