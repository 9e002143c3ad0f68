/* base/init.h — what a process does when it is the first of a container. Knows no server. */
#pragma once

/* As process 1 of a PID namespace: goes on in a child, while process 1 itself forwards signals to
 * it, reaps the orphans that the kernel hands it, and ends as the child ends. Returns the writing end
 * of base/stand_in.h in the child. Anywhere else, or when no child can be made: nothing, and -1. To be
 * called before there are threads. */
int init_be_reaper(void);
