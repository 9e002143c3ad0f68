/* main.c — the program's entry. Knows only that there is a command line. */
#include "base/stack.h"
#include "cli/cli.h"

struct command_line {
  int argc;
  char **argv;
};

static int run(void *argument) {
  const struct command_line *line = argument;
  return cli_main(line->argc, line->argv);
}

int main(int argc, char **argv) {
  struct command_line line = {argc, argv};
  return stack_call(run, &line);
}
