/* base/heap.h — the free memory of the process — does not know who freed it. */
#pragma once

#include <stddef.h>

/* Gives what is free back to the system, where the C library keeps it (glibc). Takes the longer the
 * more pieces are free: for rare occasions. */
void heap_trim(void);
/* The same when much is free. Also for what is less rare: a quiet moment after a busy one. */
void heap_rest(void);
/* So much is about to be allocated: its pages come at once (Linux 5.14), and not by a fault for each. */
void heap_warm(size_t size);
