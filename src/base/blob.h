/* base/blob.h — bytes with a count of their holders — does not know who sends them. */
#pragma once

#include <stddef.h>

/* What blobs hold memory for, together; `above` counts the same and more, NULL: nobody does. */
struct blob_account {
  size_t bytes;
  struct blob_account *above;
};

/* One allocation: the count, then the bytes. Not for use by several threads. */
struct blob {
  size_t references;
  size_t capacity;
  struct blob_account *account; /* NULL: it is counted nowhere */
  char bytes[];
};

/* One reference, `capacity` bytes of unset content. NULL when memory is out. */
struct blob *blob_new(size_t capacity);
struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob); /* NULL is allowed */
/* From now on it is counted in `account`, until blob_uncharge() or its end, and only there. */
void blob_charge(struct blob *blob, struct blob_account *account);
void blob_uncharge(struct blob *blob);
