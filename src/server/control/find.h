/* server/control/find.h — what the words of a command name: a connection, a script. */
#ifndef MOONPORT_SERVER_CONTROL_FIND_H
#define MOONPORT_SERVER_CONTROL_FIND_H

#include "server/control/commands.h"

struct conn;
struct script;

/* The connection that the first word numbers, or NULL after an answer that says what is wrong. */
struct conn *control_find_conn(const struct control_call *call);
/* The script that `name` names, by its path or its file's name; with NULL the only one there is. NULL
 * after an answer that says what is wrong, and which scripts there are. */
struct script *control_find_script(const struct control_call *call, const char *name);
/* Reads "12", or "#12" as the log writes it. */
bool control_read_id(const char *text, uint64_t *out);

#endif
