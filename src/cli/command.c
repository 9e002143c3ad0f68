/* cli/command.c — how a command refuses its command line. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

int command_refuse(const struct command *command, const char *format, ...) {
  va_list arguments;
  fputs("moonport: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\ntry: moonport %s --help\n", command->name);
  return EXIT_USAGE;
}
