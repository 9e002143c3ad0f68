/* cli/shown.c — text of unknown origin, as a terminal may have it. */
#include "cli/shown.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The length of the first character; *is_shown: it can be printed as it is. */
static size_t look_at(const char *text, size_t size, bool *is_shown) {
  uint32_t code_point = 0;
  size_t length = utf8_decode(text, size, &code_point);
  *is_shown = length > 0 && utf8_is_shown(code_point);
  return length > 0 ? length : 1;
}

void shown_print(FILE *out, const char *text) {
  size_t size = strlen(text);
  while (size > 0) {
    bool is_shown = false;
    size_t length = look_at(text, size, &is_shown);
    if (is_shown) {
      (void)fwrite(text, 1, length, out);
    }
    for (size_t i = 0; !is_shown && i < length; i++) {
      (void)fprintf(out, "\\x%02x", (unsigned)(unsigned char)text[i]);
    }
    text += length;
    size -= length;
  }
}

/* `newline` and `tab` stand for those. */
static void print_lines(FILE *out, const char *text, const char *newline, const char *tab) {
  for (;;) {
    size_t length = strcspn(text, "\n\t");
    char *piece = strndup(text, length);
    if (piece != NULL) {
      shown_print(out, piece);
    }
    free(piece);
    if (text[length] == '\0') {
      return;
    }
    (void)fputs(text[length] == '\n' ? newline : tab, out);
    text += length + 1;
  }
}

void shown_print_lines(FILE *out, const char *text) {
  print_lines(out, text, "\n  ", "  ");
}

void shown_print_text(FILE *out, const char *text) {
  print_lines(out, text, "\n", "\t");
}

size_t shown_width(const char *text) {
  size_t size = strlen(text);
  size_t width = 0;
  while (size > 0) {
    bool is_shown = false;
    size_t length = look_at(text, size, &is_shown);
    width += is_shown ? 1 : 4 * length;
    text += length;
    size -= length;
  }
  return width;
}
