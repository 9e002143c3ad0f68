/* server/reload/trial_child.h — the child's side of a trial: loads scripts, says how far it is. Knows no
 * server. */
#pragma once

#include <stdbool.h>

struct server_options;

/* Loads each script of the options and ends the process. -1 when it could not begin. `input_waits`:
 * reading standard input waits for ever; otherwise it is what the process was started with.
 * `has_texts`: what counts in place of files is in TRIAL_TEXTS_FD. */
int trial_child_run(const struct server_options *options, bool input_waits, bool has_texts);
