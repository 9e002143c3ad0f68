/* base/blob.c — bytes with a count of their holders — does not know who sends them. */
#include "base/blob.h"

#include <assert.h>
#include <stdlib.h>

struct blob *blob_new(size_t capacity) {
  struct blob *blob = malloc(sizeof *blob + capacity);
  if (!blob) return NULL;
  blob->references = 1;
  blob->capacity = capacity;
  return blob;
}

struct blob *blob_ref(struct blob *blob) {
  assert(blob->references > 0);
  blob->references++;
  return blob;
}

void blob_unref(struct blob *blob) {
  if (!blob) return;
  assert(blob->references > 0);
  if (--blob->references == 0) free(blob);
}
