/* main.c — the program's entry. Knows only that there is a command line. */
#include "base/stack.h"
#include "cli/cli.h"

int main(int argc, char **argv) {
  return stack_call(cli_main, argc, argv);
}
