/* server/control/control.h — the socket over which a server is told and asked things while it runs.
 *
 * One command a line comes in, lines of JSON go out; docs/operating.md has the protocol. */
#pragma once

#include "server/activation.h"

#include <stddef.h>

struct control_address;
struct server;
struct control; /* opaque */

/* Accepts at `address`; NULL: nowhere. NULL after a warning that says what to do: a server works without. */
struct control *control_open(struct server *server, const struct control_address *address);
/* Nobody has to be waited for any more (worker_is_held()): a client may come. */
void control_go_on_listening(struct control *control);
/* Nobody has to be waited for any more (worker_is_held()). */
void control_release(struct control *control);
/* Another process listens there now: those who are connected are answered still. */
void control_retire(struct control *control);
/* The socket, and its file, which are another process's so far, are this one's now. */
void control_own(struct control *control);
/* Hands the socket to `visit`, with its record. */
void control_export(const struct control *control, handover_visit *visit, void *context);
/* One more client, which is connected already, and is one of the server's own parts: it may do anything. The
 * descriptor is the control socket's from here on; also on failure, which closes it. */
void control_adopt(struct control *control, int fd);
/* Nobody is accepted any more, but who has connected already. How many have asked and are not answered yet, or came
 * so lately that they are about to ask; drain_check() when one of them may have gone. */
size_t control_drain(struct control *control);
/* Lets every client go; from here on no command runs. */
void control_close(struct control *control);
/* After the loop has closed what was open. */
void control_free(struct control *control);
