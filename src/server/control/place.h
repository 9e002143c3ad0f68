/* server/control/place.h — where a control socket is bound. Knows no loop, and nobody who connects. */
#pragma once

#include "net/bind.h"

struct control_address;
struct log;

enum { CONTROL_BACKLOG = 64 };

/* Listens at the first place that no other server has; *address is where that is. 0 or UV_E*. */
int control_place_open(struct control_address *address, struct bound_socket *out);
/* Closes it, in the process that opened it with its path; `was_forked`: in another, which has taken the
 * descriptor. */
void control_place_close(const struct bound_socket *bound, bool was_forked);
/* Says where it is, or as a warning why it is not (`rc`), and what to do. */
void control_place_tell(struct log *log, int rc, const struct control_address *wanted,
                        const struct control_address *place);
