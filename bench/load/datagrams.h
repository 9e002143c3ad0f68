/* load/datagrams.h — drives datagram sockets and checks what comes back. Knows no output. */
#pragma once

#include "load.h"

enum { DATAGRAM_BYTES_MAX = 65507 }; /* what IPv4 leaves of 64 KiB */

/* Sends as planned from plan->connections sockets, each with an address of its own, and waits for
 * each answer. Fills in `result`, which is empty before. 0, or -1 at the first wrong byte, error or
 * silence of 10 s. */
int datagrams_run(const struct load_plan *plan, struct load_result *result);
