/* cli/colours.c — colours and weights of text on a terminal. */
#include "cli/colours.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool colours_are_wanted(FILE *out) {
  const char *forbidden = getenv("NO_COLOR");
  const char *terminal = getenv("TERM");
  if (forbidden != NULL && *forbidden != '\0') {
    return false;
  }
  return isatty(fileno(out)) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void colours_put(FILE *out, const char *sequence) {
  if (colours_are_wanted(out)) {
    (void)fputs(sequence, out);
  }
}
