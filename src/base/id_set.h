/* base/id_set.h — a set of connection ids — does not know what they are in it for. */
#ifndef MOONPORT_BASE_ID_SET_H
#define MOONPORT_BASE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. */
struct id_set {
  uint64_t *slots; /* `capacity` of them, a power of two, at most half full; 0: free */
  size_t capacity;
  size_t count;
};

/* Ids are never 0. False when memory is out. */
bool id_set_add(struct id_set *set, uint64_t id);
bool id_set_has(const struct id_set *set, uint64_t id);
void id_set_remove(struct id_set *set, uint64_t id);
void id_set_deinit(struct id_set *set);

#endif
