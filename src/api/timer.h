/* api/timer.h — what the end of a script, or of a version of it, needs to know of its timers. */
#ifndef MOONPORT_API_TIMER_H
#define MOONPORT_API_TIMER_H

#include <stdbool.h>

struct runtime;
struct version;

/* Ends the timers that the version began by itself, or with `all` also those that it began for a
 * connection; a function that waits is cancelled. */
void api_end_timers(struct version *version, bool all);
/* Ends the sleep() of those that were cancelled in it: nobody is left to be woken. */
void api_drop_cancelled_sleeps(struct runtime *runtime);
/* Nobody is woken from sleep() any more. */
void api_end_sleeps(struct runtime *runtime);

#endif
