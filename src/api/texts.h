/* api/texts.h — Lua texts apart from files: those of a version as it read them, for people, and in a descriptor
 * for another process that is to load the same although the files are others by now; and one that somebody
 * wrote and put into no file. */
#pragma once

#include <stddef.h>

struct digest;
struct source;
struct texts; /* opaque */
struct version;

/* Copies what was read; NULL: nothing was. Of files that are no Lua nothing is kept: keys stay where they are. */
void texts_keep(struct source *source, const char *bytes, size_t size);
/* A descriptor for the caller to close; -1: it cannot be had. */
int texts_write(const struct version *version);
/* The descriptor stays the caller's. NULL: it holds nothing of ours, or memory is out. */
struct texts *texts_read(int fd);
/* One, for the file at `path`, which has that digest now. NULL: memory is out. */
struct texts *texts_new(const char *path, const char *text, size_t size, const struct digest *file);
/* A descriptor with all of those, some of which may be NULL, for the caller to close. -1: it cannot be had. */
int texts_join(const struct texts *const *list, size_t count);
/* What counts as that file, and unless it is NULL *file, what was in it; NULL: it is not among them. With NULL
 * for all of them: NULL. */
const char *texts_find(const struct texts *texts, const char *path, size_t *size,
                       struct digest *file);
void texts_free(struct texts *texts);
