/* base/grow.c — bytes of which nobody knows how many they will be. */
#include "base/grow.h"

#include <stdlib.h>

bool grow_bytes(char **bytes, size_t *capacity, size_t wanted, size_t first) {
  size_t grown = *capacity ? *capacity : first;
  if (*bytes && wanted <= *capacity) return true;
  while (grown < wanted) grown *= 2;
  char *moved = realloc(*bytes, grown);
  if (!moved) return false;
  *bytes = moved;
  *capacity = grown;
  return true;
}
