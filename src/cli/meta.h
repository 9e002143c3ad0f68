/* cli/meta.h — whether an editor knows of moonport. */
#pragma once

#include <stdbool.h>

/* A file .luarc.json is in the directory of the script, or in one above it; of a directory: in it. */
bool meta_is_known_at(const char *path);
