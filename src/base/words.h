/* base/words.h — one line of a command as its words, and a word as it stands in a line. */
#pragma once

#include <stddef.h>

/* A word may hold any byte, also NUL; one more NUL stands behind it. */
struct word {
  char *text;
  size_t size;
};

/* Cuts `line` in place: words stand between blanks; "double quotes" hold blanks, and in them \n \r
 * \t \" \\ and \xHH stand for a byte. A quoted stretch may be part of a word: name="my file".
 * There must be room for one byte behind the line.
 * Returns how many words there are, or -1 with a sentence in `error`. */
int words_split(char *line, size_t size, struct word *words, size_t max, char *error,
                size_t error_size);

/* What words_quote() needs at most for so many bytes, its NUL included. */
#define WORDS_QUOTED_SIZE_MAX(size) ((size)*4 + 3)
/* Writes the bytes as one word that words_split() reads back, always in quotes and in ASCII without
 * control characters. Returns its size without the NUL. */
size_t words_quote(const char *bytes, size_t size, char *out);
