/* cli/doctor.h — what moonport doctor looks at, as JSON: lua/moonport/cli/doctor.lua puts it in words. */
#pragma once

#include "cli/command.h"

#include <jansson.h>

struct grants;

/* Text of anybody's: what is no UTF-8 as \xNN. */
json_t *doctor_text(const char *text);

/* cli/doctor_scripts.c: of each script that loads `path`, `connections` (limits.connections), whether it
 * `listens`, and its `addresses`, each with an `error`, or with the `spots` where sockets would be opened;
 * `all_load` in `facts` itself. Adds up *connections. */
void doctor_look_at_scripts(const struct command_call *call, const struct grants *grants,
                            json_t *facts, size_t *connections);
