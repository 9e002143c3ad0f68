/* cli/client.h — the wire to a running server: commands out, lines of JSON in. Knows no command. */
#ifndef MOONPORT_CLI_CLIENT_H
#define MOONPORT_CLI_CLIENT_H

#include "cli/command.h"

struct client; /* opaque */

/* Connects to the server that --control names. EXIT_DONE with *out; or another exit code, after
 * saying on stderr what is wrong and what to do. A socket of another user is not talked to. */
int client_open(const struct command_call *call, struct client **out);
void client_close(struct client *client);

/* Sends the words as one command. False after saying on stderr what is wrong. */
bool client_send(struct client *client, const char *const *words, size_t count);

/* The next line, without its newline, valid until the next call; waits for it as long as --timeout
 * allows. NULL after saying on stderr why there is none. */
const char *client_read_line(struct client *client);

/* Says a fault on stderr, in the name of the program; what would act on a terminal is shown as
 * \xNN. */
void client_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
