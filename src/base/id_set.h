/* base/id_set.h — a set of connection ids — does not know what they are in it for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. */
struct id_set {
  void *tree; /* of tsearch(3) */
  size_t count;
};

/* False when memory is out. */
bool id_set_add(struct id_set *set, uint64_t id);
bool id_set_has(const struct id_set *set, uint64_t id);
void id_set_remove(struct id_set *set, uint64_t id);
void id_set_deinit(struct id_set *set);
