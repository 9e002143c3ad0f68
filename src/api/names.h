/* api/names.h — names that a script uses and nothing defines, told to whoever asks for a check. */
#pragma once

struct version;

/* Warns, in the log, of each in the script at `path` and in the modules beside it, with its line. The
 * version was loaded from there: what it defined by now is known. Runs none of its handlers. */
void names_tell_undefined(struct version *version, const char *path);
