/* api/task.h — what the loop needs to know of a script's tasks. */
#ifndef MOONPORT_API_TASK_H
#define MOONPORT_API_TASK_H

#include <stdbool.h>

struct version;

/* Wakes, starts and cancels what is due. `context` is a struct runtime. */
void api_run_due(void *context);
/* Cancels the tasks that the version spawned by itself, or with `all` also those that it spawned for
 * a connection. */
void api_end_tasks(struct version *version, bool all);

#endif
