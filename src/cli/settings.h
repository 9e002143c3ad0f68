/* cli/settings.h — the options of a command line as the server takes them. */
#pragma once

#include "base/log.h"
#include "cli/command.h"
#include "server/server.h"

/* The log that --log-level and --log-format ask for, on stderr. Without a terminal there, "auto" is
 * `elsewhere`: JSON where a server goes on, and machines read; text where an answer is read by who asked.
 * NULL, said on stderr: no memory. */
struct log *settings_log_new(const struct options *options, enum log_format elsewhere);

/* What --allow gives scripts, which the caller frees; NULL: everything. EXIT_DONE, or EXIT_USAGE after
 * saying what is wrong with it. */
int settings_read_grants(const struct command_call *call, struct grants **out);

/* What serving and checking have in common; the rest is left at zero. Borrows from all. */
struct server_options settings_read(const struct command_call *call, const struct grants *grants,
                                    struct log *log);

/* Where --control says that the control socket is; *wanted is false when it says off.
 * EXIT_DONE, or EXIT_USAGE after saying what is wrong with it. */
int settings_read_control(const struct command_call *call, struct control_address *out,
                          bool *wanted);
