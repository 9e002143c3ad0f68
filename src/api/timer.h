/* api/timer.h — what the end of a script needs to know of its timers. */
#ifndef MOONPORT_API_TIMER_H
#define MOONPORT_API_TIMER_H

struct runtime;

/* Ends the sleep() of those that were cancelled in it: nobody is left to be woken. */
void api_drop_cancelled_sleeps(struct runtime *runtime);
/* Nobody is woken from sleep() any more. */
void api_end_sleeps(struct runtime *runtime);

#endif
