/* api/timer.h — what the end of a script, or of a connection, needs to know of its timers. */
#pragma once

struct api_conn;
struct runtime;

/* Ends the sleep() of those that were cancelled in it: nobody is left to be woken. */
void api_drop_cancelled_sleeps(struct runtime *runtime);
/* Nobody is woken from sleep() any more. */
void api_end_sleeps(struct runtime *runtime);

/* Of one that has closed: they fire no more. A function that waits goes on to its end. Not while Lua runs. */
void api_end_conn_timers(struct api_conn *self);
