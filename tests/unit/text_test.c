/* text_test.c — sizes, times and nearest words: what is read, and what is refused. */
#include "check.h"

#include "base/text.h"

static long long size_of(const char *text) {
  size_t size = 0;
  return text_parse_size(text, &size) == 0 ? (long long)size : -1;
}

static long long ms_of(const char *text) {
  int64_t ms = 0;
  return text_parse_seconds(text, &ms) == 0 ? (long long)ms : -1;
}

static void reads_sizes(void) {
  CHECK_NUMBER(size_of("0"), 0);
  CHECK_NUMBER(size_of("512"), 512);
  CHECK_NUMBER(size_of("64K"), 65536);
  CHECK_NUMBER(size_of("64k"), 65536);
  CHECK_NUMBER(size_of("1M"), 1048576);
  CHECK_NUMBER(size_of("2G"), 2147483648LL);
}

static void refuses_what_is_no_size(void) {
  static const char *const texts[] = {"",    "K",    "-1",   "+1", " 1", "1 ",
                                      "1KB", "1.5M", "0x10", "1T", "1K1"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    CHECK_NUMBER(size_of(texts[i]), -1);
  }
  size_t size = 7;
  CHECK_NUMBER(text_parse_size("18446744073709551615", &size), 0);
  CHECK(size == SIZE_MAX);
  CHECK_NUMBER(text_parse_size("18446744073709551616", &size), TEXT_TOO_LARGE);
  CHECK_NUMBER(text_parse_size("17179869184G", &size), TEXT_TOO_LARGE);
  CHECK_NUMBER(text_parse_size("99999999999999999999T", &size), -1);
  CHECK(size == SIZE_MAX);
}

static void reads_times(void) {
  CHECK_NUMBER(ms_of("0"), 0);
  CHECK_NUMBER(ms_of("10"), 10000);
  CHECK_NUMBER(ms_of("0.5"), 500);
  CHECK_NUMBER(ms_of("2s"), 2000);
  CHECK_NUMBER(ms_of("150ms"), 150);
  CHECK_NUMBER(ms_of("5m"), 300000);
  CHECK_NUMBER(ms_of("1.5m"), 90000);
  CHECK_NUMBER(ms_of("1h"), 3600000);
  CHECK_NUMBER(ms_of("0.25h"), 900000);
}

/* 0 switches a timeout off, so no other text may become 0. */
static void rounds_times_up(void) {
  CHECK_NUMBER(ms_of("0.0001"), 1);
  CHECK_NUMBER(ms_of("0.00000000000001"), 1);
  CHECK_NUMBER(ms_of("0.1ms"), 1);
  CHECK_NUMBER(ms_of("0.000000000000"), 0);
  CHECK_NUMBER(ms_of("1.0005"), 1001);
}

static void refuses_what_is_no_time(void) {
  static const char *const texts[] = {
      "",   "s",   "-1",  "+1",  ".5",   "5.",  "1e3",
      "1d", "inf", "nan", "1 s", "0x10", "1,5", "99999999999999999999d"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    int64_t ms = 0;
    CHECK_NUMBER(text_parse_seconds(texts[i], &ms), -1);
  }
}

static void ends_times_at_a_century(void) {
  CHECK_NUMBER(ms_of("876600h"), TEXT_TIME_MS_MAX);
  int64_t ms = 0;
  CHECK_NUMBER(text_parse_seconds("876601h", &ms), TEXT_TOO_LARGE);
  CHECK_NUMBER(text_parse_seconds("99999999999999999999", &ms), TEXT_TOO_LARGE);
  CHECK_NUMBER(ms_of("3155760000000ms"), TEXT_TIME_MS_MAX);
  CHECK_NUMBER(ms_of("3155760000000.1ms"), -1);
}

static const char *const names[] = {"on_data", "on_close", "listen", "log-level", "a"};

static const char *near(const char *word) {
  return text_nearest(word, names, sizeof names / sizeof names[0]);
}

static void finds_the_nearest_word(void) {
  CHECK_TEXT(near("on_dta"), "on_data");
  CHECK_TEXT(near("ON_DATA"), "on_data");
  CHECK_TEXT(near("lsiten"), "listen");
  CHECK_TEXT(near("listne"), "listen");
  CHECK_TEXT(near("loglevel"), "log-level");
  CHECK_TEXT(near("on_clsoe"), "on_close");
}

static void finds_nothing_where_nothing_is_near(void) {
  char longest[200];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  CHECK_TEXT(near("timeout"), NULL);
  CHECK_TEXT(near(""), NULL);
  CHECK_TEXT(near("b"), NULL);
  CHECK_TEXT(near(longest), NULL);
  CHECK_TEXT(text_nearest("listen", NULL, 0), NULL);
}

static const char *bytes_as_text(uint64_t bytes) {
  static char out[TEXT_UNITS_SIZE_MAX];
  text_format_bytes(bytes, out);
  return out;
}

static void writes_bytes(void) {
  CHECK_TEXT(bytes_as_text(0), "0");
  CHECK_TEXT(bytes_as_text(1023), "1023");
  CHECK_TEXT(bytes_as_text(1024), "1.0 KiB");
  CHECK_TEXT(bytes_as_text(1536), "1.5 KiB");
  CHECK_TEXT(bytes_as_text(23456789), "22 MiB");
  CHECK_TEXT(bytes_as_text(1024 * 1024 - 1), "1.0 MiB");
  CHECK_TEXT(bytes_as_text(UINT64_MAX), "16 EiB");
}

static const char *seconds_as_text(double seconds) {
  static char out[TEXT_UNITS_SIZE_MAX];
  text_format_seconds(seconds, out);
  return out;
}

static void writes_seconds(void) {
  CHECK_TEXT(seconds_as_text(0), "0.0 s");
  CHECK_TEXT(seconds_as_text(0.44), "0.4 s");
  CHECK_TEXT(seconds_as_text(9.96), "10 s");
  CHECK_TEXT(seconds_as_text(59.4), "59 s");
  CHECK_TEXT(seconds_as_text(59.6), "1 min 0 s");
  CHECK_TEXT(seconds_as_text(7625), "2 h 7 min");
  CHECK_TEXT(seconds_as_text(86400 * 9 + 3600 * 4), "9 d 4 h");
}

static const struct check_case cases[] = {
    {"bytes are written for people", writes_bytes},
    {"seconds are written for people", writes_seconds},
    {"sizes are read with and without their unit", reads_sizes},
    {"what is no size, or too large, is refused and nothing is stored", refuses_what_is_no_size},
    {"times are read in every unit, seconds being the default", reads_times},
    {"a short time never becomes no time", rounds_times_up},
    {"what is no time is refused", refuses_what_is_no_time},
    {"times end at a hundred years", ends_times_at_a_century},
    {"a misspelt word finds what was meant", finds_the_nearest_word},
    {"a word unlike all others finds none", finds_nothing_where_nothing_is_near},
};
CHECK_MAIN(cases)
