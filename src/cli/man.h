/* cli/man.h — the table of commands and options as a manual page. */
#ifndef MOONPORT_CLI_MAN_H
#define MOONPORT_CLI_MAN_H

#include <stdio.h>

/* Prints moonport(1), in roff for man(7). */
void man_print(FILE *out);

#endif
