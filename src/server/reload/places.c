/* server/reload/places.c — entries of directories that matter, grouped by directory. */
#include "server/reload/places.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void places_add(struct places *places, const char *directory, const char *name) {
  if (places->count == places->capacity) {
    size_t capacity = places->capacity ? places->capacity * 2 : 16;
    struct place *list = realloc(places->list, capacity * sizeof *list);
    if (!list) return;
    places->list = list;
    places->capacity = capacity;
  }
  struct place place = {.directory = strdup(directory), .name = name ? strdup(name) : NULL};
  if (place.directory && (place.name || !name)) {
    places->list[places->count++] = place;
  } else {
    free(place.directory);
    free(place.name);
  }
}

static int compare(const void *left, const void *right) {
  const struct place *a = left;
  const struct place *b = right;
  int order = strcmp(a->directory, b->directory);
  if (order != 0) return order;
  if (!a->name || !b->name) return (a->name != NULL) - (b->name != NULL);
  return strcmp(a->name, b->name);
}

static bool identify(struct place *place) {
  struct stat status;
  if (stat(place->directory, &status) < 0) return !file_error_is_passing(errno);
  place->dev = status.st_dev;
  place->inode = status.st_ino;
  return true;
}

bool places_settle(struct places *places) {
  size_t kept = 0;
  bool known = true;
  if (places->count == 0) return true;
  qsort(places->list, places->count, sizeof *places->list, compare);
  for (size_t i = 0; i < places->count; i++) {
    struct place *place = &places->list[i];
    struct place *before = kept > 0 ? &places->list[kept - 1] : NULL;
    if (before && compare(before, place) == 0) {
      free(place->directory);
      free(place->name);
      continue;
    }
    if (before && strcmp(before->directory, place->directory) == 0) {
      place->dev = before->dev;
      place->inode = before->inode;
    } else {
      known = identify(place) && known;
    }
    places->list[kept++] = *place;
  }
  places->count = kept;
  return known;
}

size_t places_in_directory(const struct places *places, size_t first) {
  size_t end = first;
  const char *directory = places->list[first].directory;
  while (end < places->count && strcmp(places->list[end].directory, directory) == 0) end++;
  return end - first;
}

void places_clear(struct places *places) {
  for (size_t i = 0; i < places->count; i++) {
    free(places->list[i].directory);
    free(places->list[i].name);
  }
  free(places->list);
  *places = (struct places){0};
}
