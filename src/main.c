/* main.c — the program's entry. Knows only that there is a command line. */
#include "cli/cli.h"

int main(int argc, char **argv) {
  return cli_main(argc, argv);
}
