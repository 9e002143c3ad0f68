/* vm/syntax_hint.c — what other languages write where Lua's compiler stopped. Knows text, not Lua's state.
 *
 * The compiler names the token that it cannot take, which is mostly behind the mistake. The row that fits
 * the message, and the line of source, says what was meant. */
#include "vm/syntax_hint.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE_MAX = 512, WORD_SIZE_MAX = 16 };

struct fault {
  const char *message;
  char line[LINE_SIZE_MAX];   /* where the compiler stopped */
  char before[LINE_SIZE_MAX]; /* the line before it that is not blank */
  bool has_else_if;           /* anywhere in the source */
};

/* NULL fits always. */
static const struct row {
  const char *message; /* a part of the compiler's */
  const char *line;    /* a part of the line */
  const char *hint;
} rows[] = {
    {"near '!'", NULL, "not equal is ~=, and ! is not"},
    {NULL, "&&", "&& is and"},
    {NULL, "||", "|| is or"},
    {"near '+'", "++", "there is no ++: write x = x + 1"},
    {"near '+'", "+=", "there is no +=: write x = x + 1"},
    {"near '-'", "-=", "there is no -=: write x = x - 1"},
    {"near '*'", "*=", "there is no *=: write x = x * 2"},
    {"near '/'", "/=", "there is no /=: write x = x / 2; not equal is ~="},
    {"near '..'", "..=", "there is no ..=: write s = s .. t"},
    {NULL, "=>", "a function is function(a, b) … end, a field of a table is name = value"},
    {"near '?'", NULL, "there is no ?: — write a and b or c, or if … then … else … end"},
    {"'then' expected near '='", NULL, "= assigns, == compares"},
    {"'do' expected near '='", NULL, "= assigns, == compares"},
    {"near '{'", NULL, "a block is then … end or do … end, without braces"},
    {"near '//'", NULL, "a comment begins with --"},
    {"near '/'", "/*", "a comment begins with --"},
    {"near '#'", NULL, "a comment begins with --"},
    {"'}' expected near '='", NULL, "a field of a table is name = value or [\"any text\"] = value"},
    {"'}' expected (to close", "] =", "is a comma missing at the end of the field before?"},
    {"'}' expected", NULL, "is a comma missing before it?"},
    {"<name> expected near", ":", "a field of a table is name = value"},
    {NULL, NULL, NULL},
};

/* By the first word of a line. */
static const struct word {
  const char *words; /* each between blanks */
  const char *hint;
} words[] = {
    {" const let var int auto ", "a variable is declared by local"},
    {" def func fn fun sub ", "a function is function name(…) … end"},
    {" import from include using ", "a module is taken by local name = require \"name\""},
    {" elif elsif ", "it is elseif"},
    {" try catch except ", "what may raise is called by pcall(f, …)"},
    {" switch case ", "there is no switch: write if … elseif … end"},
    {" class struct interface ", "there are no classes: tables and setmetatable() do it"},
    {" async await ", "a handler waits by itself: call what waits"},
    {NULL, NULL},
};

/* The first word of `line`, between blanks. */
static void read_word(const char *line, char out[WORD_SIZE_MAX + 3]) {
  size_t size = 1;
  line += strspn(line, " \t}");
  out[0] = ' ';
  while (size <= WORD_SIZE_MAX && isalpha((unsigned char)line[size - 1])) {
    out[size] = line[size - 1];
    size++;
  }
  out[size] = ' ';
  out[size + 1] = 0;
}

static const char *hint_of_word(const struct fault *fault) {
  char word[WORD_SIZE_MAX + 3];
  read_word(fault->line, word);
  for (const struct word *each = words; each->words && word[1] != ' '; each++) {
    if (strstr(each->words, word)) return each->hint;
  }
  read_word(fault->before, word);
  if (strcmp(word, " continue ") == 0) {
    return "there is no continue: goto continue, with ::continue:: before the end of the loop";
  }
  return NULL;
}

static bool fits(const struct row *row, const struct fault *fault) {
  return (!row->message || strstr(fault->message, row->message)) &&
         (!row->line || strstr(fault->line, row->line));
}

static bool is_blank(const char *line) {
  return line[strspn(line, " \t\r")] == 0;
}

/* Reads the lines that matter; false when the message names none. */
static bool read_lines(struct fault *fault, const char *source, size_t size) {
  const char *colon = fault->message;
  while ((colon = strchr(colon, ':')) && !isdigit((unsigned char)colon[1])) colon++;
  if (!colon) return false;
  long number = strtol(colon + 1, NULL, 10);
  const char *end = source + size;
  char line[LINE_SIZE_MAX] = "";
  for (long i = 1; i <= number && source < end; i++) {
    const char *newline = memchr(source, '\n', (size_t)(end - source));
    size_t length = (size_t)((newline ? newline : end) - source);
    if (!is_blank(line)) memcpy(fault->before, line, sizeof line);
    if (length >= sizeof line) length = sizeof line - 1;
    memcpy(line, source, length);
    line[length] = 0;
    if (strstr(line, "else if ")) fault->has_else_if = true;
    source = newline ? newline + 1 : end;
  }
  memcpy(fault->line, line, sizeof line);
  return true;
}

const char *syntax_hint(const char *message, const char *source, size_t size) {
  struct fault fault = {.message = message};
  if (!read_lines(&fault, source, size)) return NULL;
  const char *hint = hint_of_word(&fault);
  if (hint) return hint;
  for (const struct row *row = rows; row->hint; row++) {
    if (fits(row, &fault)) return row->hint;
  }
  bool is_open = strstr(message, "'end' expected") && strstr(message, "near <eof>");
  return is_open && fault.has_else_if ? "elseif is one word: else if wants an end of its own"
                                      : NULL;
}
