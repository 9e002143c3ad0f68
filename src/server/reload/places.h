/* server/reload/places.h — entries of directories that matter, grouped by directory. */
#ifndef MOONPORT_SERVER_RELOAD_PLACES_H
#define MOONPORT_SERVER_RELOAD_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct place {
  char *directory;
  char *name;  /* NULL: every script in it */
  dev_t dev;   /* of the directory, as of places_settle(); 0 and 0: it is not there */
  ino_t inode; /* the same */
};

struct places {
  struct place *list;
  size_t count;
  size_t capacity;
};

/* Both texts are copied. Without memory for it a place is left out: it is then found by polling. */
void places_add(struct places *places, const char *directory, const char *name);
/* Sorts, drops what is there twice, and notes what each directory is now. False: of one that could
 * not be told, for a reason that is not its own (base/file.h). */
bool places_settle(struct places *places);
/* How many places from `first` on are in the same directory. */
size_t places_in_directory(const struct places *places, size_t first);
void places_clear(struct places *places); /* ready for use again, or for the end */

#endif
