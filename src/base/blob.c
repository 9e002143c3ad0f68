/* base/blob.c — bytes with a count of their holders — does not know who sends them. */
#include "base/blob.h"

#include <assert.h>
#include <stdlib.h>

struct blob *blob_new(size_t capacity) {
  struct blob *blob = malloc(sizeof *blob + capacity);
  if (!blob) return NULL;
  blob->references = 1;
  blob->capacity = capacity;
  blob->account = NULL;
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
  if (--blob->references > 0) return;
  if (blob->account) blob_uncharge(blob);
  free(blob);
}

void blob_charge(struct blob *blob, struct blob_account *account) {
  if (blob->account) return;
  blob->account = account;
  for (; account; account = account->above) account->bytes += blob->capacity;
}

void blob_uncharge(struct blob *blob) {
  for (struct blob_account *each = blob->account; each; each = each->above) {
    assert(each->bytes >= blob->capacity);
    each->bytes -= blob->capacity;
  }
  blob->account = NULL;
}
