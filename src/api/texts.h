/* api/texts.h — the Lua files of a version as it read them, though the files may be others by now: for people,
 * and in a descriptor for another process that is to load the same. */
#ifndef MOONPORT_API_TEXTS_H
#define MOONPORT_API_TEXTS_H

#include <stddef.h>

struct source;
struct texts; /* opaque */
struct version;

/* Copies what was read; NULL: nothing was. Of files that are no Lua nothing is kept: keys stay where they are. */
void texts_keep(struct source *source, const char *bytes, size_t size);
/* A descriptor for the caller to close; -1: it cannot be had. */
int texts_write(const struct version *version);
/* The descriptor stays the caller's. NULL: it holds nothing of ours, or memory is out. */
struct texts *texts_read(int fd);
/* What that file is; NULL: it is not among them. With NULL for all of them: NULL. */
const char *texts_find(const struct texts *texts, const char *path, size_t *size);
void texts_free(struct texts *texts);

#endif
