/* server/control/find.h — what the words of a command name: a connection, a script. */
#pragma once

#include "server/control/commands.h"

/* The connection that the first word numbers, or NULL after an answer that says what is wrong. */
struct conn *control_find_conn(const struct control_call *call);
/* The script that `name` names, by its path or its file's name; with NULL the only one there is. NULL
 * after an answer that says what is wrong, and which scripts there are. */
struct script *control_find_script(const struct control_call *call, const char *name);
/* Answers that `count` scripts, which is not 1, are named so; `names` are those there are, or "". */
void control_refuse_script(const struct control_call *call, const char *name, size_t count,
                           const char *names);
/* Reads "12", or "#12" as the log writes it, and with several workers "2.12": that of worker 2, which is 0
 * when it is not said. */
bool control_read_id(const char *text, unsigned *worker, uint64_t *out);

/* What people call a connection: "12", or "2.12" where there are several workers. */
enum { CONN_NAME_BYTES = 32 };
const char *control_conn_name(const struct control_client *client, uint64_t id,
                              char out[CONN_NAME_BYTES]);
/* The same as JSON: 12, or "2.12". */
json_t *control_conn_id(const struct control_client *client, uint64_t id);
