/* words_test.c — lines of a command: which words are read, and which lines are refused. */
#include "check.h"

#include "base/words.h"

enum { WORDS_MAX = 8 };

static char line[256];
static char error[160];
static struct word words[WORDS_MAX];

static int split_bytes(const char *text, size_t size) {
  memcpy(line, text, size);
  line[size] = '#'; /* what happens to stand behind the line */
  *error = '\0';
  return words_split(line, size, words, WORDS_MAX, error, sizeof error);
}

static int split(const char *text) {
  return split_bytes(text, strlen(text));
}

static void cuts_at_blanks(void) {
  CHECK_NUMBER(split(""), 0);
  CHECK_NUMBER(split(" \t "), 0);
  CHECK_NUMBER(split("status"), 1);
  CHECK_TEXT(words[0].text, "status");
  CHECK_NUMBER(split("  kick \t 12 "), 2);
  CHECK_TEXT(words[0].text, "kick");
  CHECK_TEXT(words[1].text, "12");
  CHECK_NUMBER(words[1].size, 2);
}

static void undoes_quotes_and_escapes(void) {
  CHECK_NUMBER(split("send 3 \"a b\\n\\r\\t\\\"\\\\\""), 3);
  CHECK_TEXT(words[2].text, "a b\n\r\t\"\\");
  CHECK_NUMBER(split("a \"\" b"), 3);
  CHECK_NUMBER(words[1].size, 0);
  CHECK_TEXT(words[2].text, "b");
  CHECK_NUMBER(split("script=\"my file\".lua x"), 2);
  CHECK_TEXT(words[0].text, "script=my file.lua");
  CHECK_NUMBER(split("\"\\x00\\xfF\\x41\""), 1);
  CHECK_NUMBER(words[0].size, 3);
  CHECK(memcmp(words[0].text,
               "\0\xff"
               "A",
               4) == 0);
}

static void keeps_backslashes_outside_of_quotes(void) {
  CHECK_NUMBER(split("a\\n b"), 2);
  CHECK_TEXT(words[0].text, "a\\n");
}

static void takes_any_byte(void) {
  CHECK_NUMBER(split_bytes("a\0b \x80", 5), 2);
  CHECK_NUMBER(words[0].size, 3);
  CHECK_TEXT(words[1].text, "\x80");
}

static void refuses_what_is_not_finished(void) {
  CHECK_NUMBER(split("say \"hello"), -1);
  CHECK_CONTAINS(error, "not closed");
  CHECK_NUMBER(split("\"a\\"), -1);
  CHECK_CONTAINS(error, "backslash");
  CHECK_NUMBER(split("\"\\q\""), -1);
  CHECK_CONTAINS(error, "xHH");
  CHECK_NUMBER(split_bytes("\"\\\0\"", 4), -1);
  CHECK_NUMBER(split("\"\\x4\""), -1);
  CHECK_CONTAINS(error, "two hexadecimal digits");
  CHECK_NUMBER(split("\"\\x"), -1);
}

static void refuses_too_many_words(void) {
  CHECK_NUMBER(split("1 2 3 4 5 6 7 8"), 8);
  CHECK_NUMBER(split("1 2 3 4 5 6 7 8 9"), -1);
  CHECK_CONTAINS(error, "too many");
}

static void quotes_every_byte_so_that_it_comes_back(void) {
  char bytes[256];
  char quoted[WORDS_QUOTED_SIZE_MAX(sizeof bytes) + 1];
  for (int i = 0; i < 256; i++) {
    bytes[i] = (char)i;
  }
  size_t size = words_quote(bytes, sizeof bytes, quoted);
  CHECK_NUMBER(size, strlen(quoted));
  CHECK(size < WORDS_QUOTED_SIZE_MAX(sizeof bytes));
  CHECK(strchr(quoted, '\n') == NULL);
  CHECK_NUMBER(words_split(quoted, size, words, WORDS_MAX, error, sizeof error), 1);
  CHECK_NUMBER(words[0].size, 256);
  CHECK(memcmp(words[0].text, bytes, sizeof bytes) == 0);
}

static const struct check_case cases[] = {
    {"words stand between blanks", cuts_at_blanks},
    {"quotes hold blanks, and escapes stand for bytes", undoes_quotes_and_escapes},
    {"outside of quotes a backslash is one", keeps_backslashes_outside_of_quotes},
    {"words hold any byte", takes_any_byte},
    {"what is not finished is refused with a reason", refuses_what_is_not_finished},
    {"more words than there is room for are refused", refuses_too_many_words},
    {"any bytes can be quoted as one word of one line", quotes_every_byte_so_that_it_comes_back},
};

CHECK_MAIN(cases)
