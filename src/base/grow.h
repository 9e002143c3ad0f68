/* base/grow.h — bytes of which nobody knows how many they will be. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Makes room for `wanted` bytes at *bytes, which are on the heap, or NULL: `first` of them at first, and then
 * twice as many each time, so that what comes byte by byte is copied a few times only. False when memory
 * is out, with all as it was. */
bool grow_bytes(char **bytes, size_t *capacity, size_t wanted, size_t first);
