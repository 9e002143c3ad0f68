/* cli/shown.h — text of unknown origin, as a terminal may have it. */
#ifndef MOONPORT_CLI_SHOWN_H
#define MOONPORT_CLI_SHOWN_H

#include <stddef.h>
#include <stdio.h>

/* Prints the text; what would act on a terminal, and what is no UTF-8, as \xNN. */
void shown_print(FILE *out, const char *text);
/* The same for an error with its traceback, as indented lines. */
void shown_print_lines(FILE *out, const char *text);
/* The same for text of several lines, as they are. */
void shown_print_text(FILE *out, const char *text);
/* How many columns shown_print() takes. */
size_t shown_width(const char *text);

#endif
