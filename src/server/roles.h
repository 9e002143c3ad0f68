/* server/roles.h — what the files of the served directories are: services, modules of those, or faults. */
#pragma once

#include "net/notify.h"

#include <stdbool.h>
#include <stddef.h>

struct script;
struct server;

/* It is no service by itself, and one of the others requires it. */
bool server_is_module(const struct server *server, const struct script *script);
/* It was named itself where the server was started, and not its directory. */
bool server_is_given(const struct server *server, const char *path);
/* Of how many a version is loaded or in force. */
size_t server_count_valid(const struct server *server);
/* To be called when all that is to be loaded was: tells what is wrong with those that neither serve nor are
 * modules. How many of them are at fault; `on_fault`, which may be NULL, is called for each. */
size_t server_judge(struct server *server,
                    void (*on_fault)(struct server *server, struct script *script));

/* The welcome page, while it is served; or NULL. */
struct script *server_welcome(const struct server *server);
/* There is such a page, and nothing is served: it is to come. Beside what is at fault, and no module, only
 * `despite_faults`. */
bool server_lacks_welcome(const struct server *server, bool despite_faults);

enum { SERVER_IDLE_BYTES = 1024 };
/* Nothing is served, or only the welcome page: `out` says so. */
bool server_is_idle(const struct server *server, char out[SERVER_IDLE_BYTES]);
/* What its supervisor shows people of it, as of now. */
void server_describe_status(const struct server *server, char out[NOTIFY_STATUS_BYTES]);
/* Logs that, once, when it has come to be so. */
void server_warn_if_idle(struct server *server);
