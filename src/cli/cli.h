/* cli/cli.h — from the command line to the command that it names. Knows no command by itself. */
#pragma once

/* Runs the program: returns its exit code. */
int cli_main(int argc, char **argv);
