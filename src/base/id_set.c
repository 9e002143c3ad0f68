/* base/id_set.c — a set of connection ids — does not know what they are in it for. */
#include "base/id_set.h"

#include <search.h>
#include <stdlib.h>

static int compare_ids(const void *a, const void *b) {
  const uint64_t *one = a, *other = b;
  return (*one > *other) - (*one < *other);
}

bool id_set_add(struct id_set *set, uint64_t id) {
  if (id_set_has(set, id)) return true;
  uint64_t *added = malloc(sizeof *added);
  if (!added) return false;
  *added = id;
  if (tsearch(added, &set->tree, compare_ids)) {
    set->count++;
    return true;
  }
  free(added);
  return false;
}

bool id_set_has(const struct id_set *set, uint64_t id) {
  return tfind(&id, &set->tree, compare_ids) != NULL;
}

void id_set_remove(struct id_set *set, uint64_t id) {
  uint64_t **found = tfind(&id, &set->tree, compare_ids);
  if (!found) return;
  uint64_t *removed = *found;
  tdelete(removed, &set->tree, compare_ids);
  free(removed);
  set->count--;
}

void id_set_deinit(struct id_set *set) {
  tdestroy(set->tree, free);
  *set = (struct id_set){0};
}
