/* base/heap.c — the free memory of the process — does not know who freed it. */
#include "base/heap.h"

#include <stdlib.h> /* says which C library this is */

#ifdef __GLIBC__
#include <malloc.h>
#endif

void heap_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
