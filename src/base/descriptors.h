/* base/descriptors.h — how many descriptors this process may have. Opens none. */
#pragma once

#include <stddef.h>

/* Beside connections: listeners, the loop's own, what is kept back for the control socket, files
 * that scripts open. */
enum { DESCRIPTORS_RESERVE = 50 };

/* Lifts the soft limit so that `connections` fit, and outgoing ones as many; never above the hard
 * limit, and never lower than it was. Returns what the process may have then; SIZE_MAX: no limit.
 *
 * Not simply to the hard limit, which is 2^30 in some containers: what closes every descriptor that
 * it might have inherited, as children of scripts do, would take minutes. */
size_t descriptors_raise(size_t connections);
