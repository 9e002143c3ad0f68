/* server/paths.h — from the command line's paths to script files. Knows the file system only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct log;

struct script_paths {
  char **files; /* as given, or DIRECTORY/NAME.lua; in order, a directory's by name */
  size_t count;
  int shortage; /* an errno that tells nothing of what is there (base/file.h), met on the way; or 0 */
};

/* Directories without any script give the one script `welcome`; when that is NULL, each of them is a
 * fault, unless they `may_be_empty`. 0, or -1 after each fault was logged, unless `log` is NULL. In
 * both cases script_paths_deinit() is due. */
int script_paths_find(struct script_paths *paths, const char *const *given, size_t given_count,
                      const char *welcome, bool may_be_empty, struct log *log);
/* Whether a script lies in a directory below the given ones, where none is looked for. Then `out` says so, as
 * the end of a sentence; else it is empty. */
bool script_paths_deeper(const char *const *given, size_t given_count, char *out, size_t size);
void script_paths_deinit(struct script_paths *paths);

/* Whether a file of that name in a served directory is a script: NAME.lua, but no hidden one, for
 * editors keep their copies in those. */
bool script_paths_is_script(const char *name);
