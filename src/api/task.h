/* api/task.h — what the loop needs to know of a script's tasks. */
#ifndef MOONPORT_API_TASK_H
#define MOONPORT_API_TASK_H

/* Wakes, starts and cancels what is due. `context` is a struct runtime. */
void api_run_due(void *context);

#endif
