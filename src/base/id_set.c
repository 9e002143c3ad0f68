/* base/id_set.c — a set of connection ids — does not know what they are in it for.
 *
 * Open addressing: an id is in its slot, or in one of those that follow without a gap. */
#include "base/id_set.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 16 };

/* Ids are counted up, so neighbours are told apart by their low bits already. */
static size_t slot_of(const struct id_set *set, uint64_t id) {
  return (size_t)id & (set->capacity - 1);
}

/* Where `id` is, or the free slot where it would be. */
static size_t id_set_find(const struct id_set *set, uint64_t id) {
  size_t at = slot_of(set, id);
  while (set->slots[at] != 0 && set->slots[at] != id) at = (at + 1) & (set->capacity - 1);
  return at;
}

static bool grow(struct id_set *set) {
  struct id_set grown = {.capacity = set->capacity ? set->capacity * 2 : CAPACITY_MIN};
  grown.slots = calloc(grown.capacity, sizeof *grown.slots);
  if (!grown.slots) return false;
  for (size_t i = 0; i < set->capacity; i++) {
    if (set->slots[i]) grown.slots[id_set_find(&grown, set->slots[i])] = set->slots[i];
  }
  grown.count = set->count;
  free(set->slots);
  *set = grown;
  return true;
}

bool id_set_add(struct id_set *set, uint64_t id) {
  if (id_set_has(set, id)) return true;
  if (set->count * 2 >= set->capacity && !grow(set)) return false;
  set->slots[id_set_find(set, id)] = id;
  set->count++;
  return true;
}

bool id_set_has(const struct id_set *set, uint64_t id) {
  return set->capacity > 0 && set->slots[id_set_find(set, id)] == id;
}

void id_set_remove(struct id_set *set, uint64_t id) {
  if (!id_set_has(set, id)) return;
  size_t at = id_set_find(set, id);
  set->slots[at] = 0;
  set->count--;
  /* Those behind it that the gap would cut off from their slots move up. */
  for (at = (at + 1) & (set->capacity - 1); set->slots[at]; at = (at + 1) & (set->capacity - 1)) {
    uint64_t moved = set->slots[at];
    set->slots[at] = 0;
    set->slots[id_set_find(set, moved)] = moved;
  }
}

void id_set_deinit(struct id_set *set) {
  free(set->slots);
  *set = (struct id_set){0};
}
