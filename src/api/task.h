/* api/task.h — what the loop needs to know of a script's tasks. */
#pragma once

/* Wakes, starts and cancels what is due. `context` is a struct runtime. */
void api_run_due(void *context);
