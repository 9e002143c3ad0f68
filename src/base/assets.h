/* base/assets.h — files that the program carries as they are: pages, texts, lessons — does not know what they say. */
#pragma once

#include <stddef.h>

/* One file below lua/. */
struct asset {
  const char *name;            /* "inspector/index.html" */
  const unsigned char *packed; /* as gzip has it, RFC 1952 */
  size_t packed_size;
  size_t size; /* of the file itself */
};

/* Generated at build time, by cmake/EmbedAssets.cmake, in the order of their names; ends with a name of
 * NULL. */
extern const struct asset assets[];
