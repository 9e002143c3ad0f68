/* base/blob.h — bytes with a count of their holders — does not know who sends them. */
#ifndef MOONPORT_BASE_BLOB_H
#define MOONPORT_BASE_BLOB_H

#include <stddef.h>

/* One allocation: the count, then the bytes. Not for use by several threads. */
struct blob {
  size_t references;
  size_t capacity;
  char bytes[];
};

/* One reference, `capacity` bytes of unset content. NULL when memory is out. */
struct blob *blob_new(size_t capacity);
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob); /* NULL is allowed */

#endif
