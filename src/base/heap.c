/* base/heap.c — the free memory of the process — does not know who freed it. */
#include "base/heap.h"

#include <stdint.h>
#include <stdlib.h> /* says which C library this is */
#include <sys/mman.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#if defined __GLIBC__ && defined __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 33)
#define HAS_MALLINFO2
#endif
#endif

enum { REST_BYTES_MIN = 1024 * 1024 };

void heap_rest(void) {
#ifdef HAS_MALLINFO2
  if (mallinfo2().fordblks < REST_BYTES_MIN) return;
#endif
  heap_trim();
}

void heap_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

/* What is free is given out again in the order of its addresses, so the next ones have these pages. */
void heap_warm(size_t size) {
#ifdef MADV_POPULATE_WRITE
  char *block = malloc(size);
  if (!block) return;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  char *first = block + (page - (uintptr_t)block % page);
  (void)madvise(first, size - (size_t)(first - block), MADV_POPULATE_WRITE);
  free(block);
#else
  (void)size;
#endif
}
