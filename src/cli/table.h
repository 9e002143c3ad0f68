/* cli/table.h — all commands and all options.
 *
 * A new command is one row in table.c, and a file of lua/moonport/cli with its name; or, where it must be
 * C, one with its function, declared here. */
#pragma once

#include "cli/command.h"

extern const struct command_table cli_table;

/* The row of a name, or NULL. */
const struct command *command_find(const char *name);

/* The command that is meant when none is named. */
const struct command *command_default(void);

/* One file each. */
int serve_command(const struct command_call *call);
int check_command(const struct command_call *call);
int trial_command(const struct command_call *call);
int run_command(const struct command_call *call);
int health_command(const struct command_call *call);
int doctor_command(const struct command_call *call);
int meta_command(const struct command_call *call);
int cert_command(const struct command_call *call);
int inspect_command(const struct command_call *call);
