/* api/timer.h — what a script's end needs to know of its timers. */
#ifndef MOONPORT_API_TIMER_H
#define MOONPORT_API_TIMER_H

struct runtime;

/* Ends every timer and every sleep of the script; none fires any more. */
void api_close_timers(struct runtime *runtime);

#endif
