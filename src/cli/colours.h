/* cli/colours.h — colours and weights of text on a terminal. */
#ifndef MOONPORT_CLI_COLOURS_H
#define MOONPORT_CLI_COLOURS_H

#include <stdbool.h>
#include <stdio.h>

/* Whether what is written to `out` may have colours: it is a terminal that can show them, and
 * NO_COLOR (https://no-color.org) is not set. */
bool colours_are_wanted(FILE *out);

/* What switches them on and off; nothing where they are not wanted. */
#define COLOUR_BOLD "\033[1m"
#define COLOUR_DIM "\033[2m"
#define COLOUR_RED "\033[31m"
#define COLOUR_OFF "\033[0m"
void colours_put(FILE *out, const char *sequence);

#endif
