/* server/reload/differ.h — what a scan found that its owner was not told yet. Knows neither loop nor files.
 */
#ifndef MOONPORT_SERVER_RELOAD_DIFFER_H
#define MOONPORT_SERVER_RELOAD_DIFFER_H

#include "server/reload/watch.h"

#include <stddef.h>
#include <stdint.h>

struct scan;

/* Writes what is to be told to `items`, which has room for every file and directory; returns how
 * many. With `telling` it counts as told from now on. `now_ms` is of any clock that only runs
 * forwards. */
size_t differ_collect(struct scan *scan, uint64_t now_ms, bool telling, struct watch_item *items);
/* Whether a file is missing that does not count as gone yet. */
bool differ_is_missing_some(const struct scan *scan);
/* A script of a directory that came and went is not looked for for ever. */
void differ_forget_gone(struct scan *scan);
/* What was told of the same paths before counts as told, where nothing else was loaded since. */
void differ_inherit(struct scan *scan, const struct scan *from);

#endif
