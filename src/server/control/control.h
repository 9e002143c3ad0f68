/* server/control/control.h — the socket over which a server is told and asked things while it runs.
 *
 * One command a line comes in, lines of JSON go out; docs/operating.md has the protocol. */
#ifndef MOONPORT_SERVER_CONTROL_CONTROL_H
#define MOONPORT_SERVER_CONTROL_CONTROL_H

struct control_address;
struct log;
struct net_loop;
struct server;
struct control; /* opaque */

/* Listens at the address. NULL after a warning that says what to do: a server works without. */
struct control *control_open(struct server *server, struct net_loop *loop, struct log *log,
                             const struct control_address *address);
/* Lets every client go; from here on no command runs. */
void control_close(struct control *control);
/* After the loop has closed what was open. */
void control_free(struct control *control);

#endif
