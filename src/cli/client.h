/* cli/client.h — the wire to a running server: commands out, lines of JSON in. Knows no command. */
#ifndef MOONPORT_CLI_CLIENT_H
#define MOONPORT_CLI_CLIENT_H

#include "cli/command.h"

#include <stdint.h>

struct client; /* opaque */

/* Connects to the server that --control names. EXIT_DONE with *out; or another exit code, after
 * saying on stderr what is wrong and what to do. A socket of another user is not talked to. */
int client_open(const struct command_call *call, struct client **out);
/* The same for who only wants to know: waits for no more than that, and says nothing when there is no
 * answer, now or later. NULL: nobody is there. */
struct client *client_open_quietly(const struct command_call *call, int64_t timeout_ms);
void client_close(struct client *client);
/* The process at the other end. */
long client_server_pid(const struct client *client);
/* For poll(2): readable when client_read_line() has something to read; client_has_line() tells
 * whether it need not. */
int client_descriptor(const struct client *client);
bool client_has_line(const struct client *client);

/* Sends the words as one command. False after saying on stderr what is wrong. */
bool client_send(struct client *client, const char *const *words, size_t count);
/* The same for a command that is a line of the protocol already, without its newline. */
bool client_send_line(struct client *client, const char *line);

/* The next line, without its newline, valid until the next call; waits for it as long as --timeout
 * allows. NULL after saying on stderr why there is none. */
const char *client_read_line(struct client *client);

enum client_news {
  CLIENT_LINE,
  CLIENT_QUIET, /* nothing came in time */
  CLIENT_WOKEN,
  CLIENT_GONE, /* the server hung up; nothing was said of it yet */
};
/* For a stream, which has no end: the next line, waited for until `timeout_ms` have passed (negative:
 * as long as it takes) or `wake_fd` can be read. With CLIENT_LINE, *line is as above. */
enum client_news client_wait_line(struct client *client, int timeout_ms, int wake_fd,
                                  const char **line);

/* Says a fault on stderr, in the name of the program; what would act on a terminal is shown as
 * \xNN. */
void client_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
