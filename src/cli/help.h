/* cli/help.h — the table of commands and options as text for people. */
#ifndef MOONPORT_CLI_HELP_H
#define MOONPORT_CLI_HELP_H

#include "cli/command.h"

#include <stdio.h>

/* The help of one command, or with NULL of the whole program. */
void help_print(const struct command *command, FILE *out);

/* A few lines for who typed the program's name and nothing else. */
void help_print_short(FILE *out);

/* Writes what one line of help leaves out: "debug, info, warn or error; default info;
 * MOONPORT_LOG_LEVEL"; always terminated, empty when there is nothing to add. */
#define HELP_NOTES_SIZE_MAX 320
void help_describe_notes(const struct option_row *row, char *out, size_t size);

#endif
