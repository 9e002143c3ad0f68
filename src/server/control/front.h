/* server/control/front.h — a client's command where several workers are one server: whom it is for, and
 * one answer of what they answer. */
#pragma once

#include "server/control/commands.h"

/* Of a command that is for all, or for whoever has what it names; the answer comes later. */
void front_run(const struct control_call *call);
/* Of events; stream.c. */
void front_stream(const struct control_call *call);

/* The command as a line: its name, and the words from `first` on. The receiver's; NULL: no memory. */
char *front_line(const struct control_call *call, const char *head, size_t first);
