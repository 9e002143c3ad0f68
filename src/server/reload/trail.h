/* server/reload/trail.h — the directories that a path leads through. Knows the file system only. */
#ifndef MOONPORT_SERVER_RELOAD_TRAIL_H
#define MOONPORT_SERVER_RELOAD_TRAIL_H

#include <stdbool.h>
#include <stddef.h>

/* What symbolic links lead to is followed as the kernel does it, up to this many. */
enum { TRAIL_LINKS_MAX = 40 };

/* Calls each(context, directory, name) for every entry of a directory that decides on what is at
 * `path`: each symbolic link on the way, and the file at its end, or the first entry that is
 * missing. `directory` holds no symbolic link itself. Both are valid for the length of the call.
 * False: there may be more, for a call failed for a reason that is not the path's (base/file.h). */
bool trail_follow(const char *path, void (*each)(void *, const char *, const char *),
                  void *context);

#endif
