/* base/words.c — one line of a command as its words, and a word as it stands in a line. */
#include "base/words.h"

#include "base/percent.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Letters behind a backslash, and the bytes they stand for, at the same place. */
static const char escape_letters[] = "nrt\"\\";
static const char escape_bytes[] = "\n\r\t\"\\";

/* What is left to read, and where the next byte of a word goes: never behind what is read. */
struct cutter {
  const char *next;
  const char *end;
  char *out;
};

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* Behind a backslash. NULL, or what is wrong. */
static const char *read_escape(struct cutter *cutter) {
  if (cutter->next == cutter->end) return "a backslash ends the line";
  char letter = *cutter->next++;
  const char *known = letter != '\0' ? strchr(escape_letters, letter) : NULL;
  if (known) {
    *cutter->out++ = escape_bytes[known - escape_letters];
    return NULL;
  }
  if (letter != 'x') return "inside quotes a backslash is followed by n, r, t, \", \\ or xHH";
  int high = cutter->next < cutter->end ? hex_value(cutter->next[0]) : -1;
  int low = cutter->next + 1 < cutter->end ? hex_value(cutter->next[1]) : -1;
  if (high < 0 || low < 0) return "\\x is followed by two hexadecimal digits";
  cutter->next += 2;
  *cutter->out++ = (char)(high * 16 + low);
  return NULL;
}

/* Behind an opening quote. */
static const char *read_quoted(struct cutter *cutter) {
  while (cutter->next < cutter->end) {
    char c = *cutter->next++;
    if (c == '"') return NULL;
    if (c != '\\') {
      *cutter->out++ = c;
      continue;
    }
    const char *fault = read_escape(cutter);
    if (fault) return fault;
  }
  return "a quote is not closed: write \" at its end";
}

/* At the first byte of a word; goes behind the blank that ends it. */
static const char *words_read_word(struct cutter *cutter) {
  while (cutter->next < cutter->end) {
    char c = *cutter->next++;
    if (is_blank(c)) return NULL;
    if (c != '"') {
      *cutter->out++ = c;
      continue;
    }
    const char *fault = read_quoted(cutter);
    if (fault) return fault;
  }
  return NULL;
}

static int words_refuse(char *error, size_t error_size, const char *fault) {
  snprintf(error, error_size, "%s", fault);
  return -1;
}

int words_split(char *line, size_t size, struct word *words, size_t max, char *error,
                size_t error_size) {
  struct cutter cutter = {.next = line, .end = line + size};
  size_t count = 0;
  for (;;) {
    while (cutter.next < cutter.end && is_blank(*cutter.next)) cutter.next++;
    if (cutter.next == cutter.end) return (int)count;
    if (count == max) return words_refuse(error, error_size, "there are too many words");
    char *start = line + (cutter.next - line);
    cutter.out = start;
    const char *fault = words_read_word(&cutter);
    if (fault) return words_refuse(error, error_size, fault);
    words[count++] = (struct word){.text = start, .size = (size_t)(cutter.out - start)};
    *cutter.out = '\0'; /* on the blank that ended it, a quote, or the byte behind the line */
  }
}

size_t words_quote(const char *bytes, size_t size, char *out) {
  char *next = out;
  *next++ = '"';
  for (size_t i = 0; i < size; i++) {
    const unsigned char c = (unsigned char)bytes[i];
    const char *known = c != '\0' ? strchr(escape_bytes, c) : NULL;
    if (known) {
      *next++ = '\\';
      *next++ = escape_letters[known - escape_bytes];
    } else if (c < ' ' || c > '~') {
      next += sprintf(next, "\\x%02x", c);
    } else {
      *next++ = (char)c;
    }
  }
  *next++ = '"';
  *next = '\0';
  return (size_t)(next - out);
}
