/* load/burst.h — many hellos at once, and what an open connection waits. Knows no output. */
#pragma once

#include "load.h"

/* Sends a hello of TLS on each of plan->connections, all at once, and waits until each was answered
 * by some bytes; meanwhile one more connection sends message after message. Fills in `result`, which
 * is empty before: the messages of that one, and how long they took. 0, or -1 at the first wrong
 * byte, error or silence of 10 s. */
int burst_run(const struct load_plan *plan, struct load_result *result);
