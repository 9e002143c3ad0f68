/* base/stand_in.h — the process that others wait for, while servers come and go. Knows no server.
 *
 * Whoever started the server (a shell, runit, a container's runtime) waits for one process, and sends signals
 * to it. An upgrade starts another one. So the first process stays, or process 1 of a container, which is
 * there anyway: it forwards signals to who serves now, and ends when all servers have. Each of these holds
 * the writing end of one pipe; who takes over writes its number into it. */
#pragma once

#include <sys/types.h>

/* Both ends are closed at exec. 0 or -1. */
int stand_in_open(int ends[2]);
/* Says at the writing end that `pid` serves from now on; -1: nobody has to know. */
void stand_in_announce(int place, pid_t pid);
/* From here on who takes over later, too, is a child of this process once its own parent has ended. */
void stand_in_begin(void);
/* Who serves by now, of whom `server` was the last that was known. For who is to keep the place later. */
pid_t stand_in_latest(int watched, pid_t server);
/* From here on signals are passed on to `server` at once, by a signal handler: for the time from when this
 * process serves nobody to when it keeps the place. Again after whoever had handlers has given them back. */
void stand_in_take_signals(pid_t server);
/* Keeps the place: forwards signals, reaps children, until the servers have ended. `watched` is the reading
 * end, of which this process holds no writing end. Returns the exit code of who served last. To be called
 * where there are no threads that take signals. */
int stand_in_keep(int watched, pid_t server);
