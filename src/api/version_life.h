/* api/version_life.h — what a version is told of its own life: on_load, on_unload. */
#pragma once

#include <stdbool.h>

struct version;

/* Tells `version` that it came into force, after the version numbered `before` (0: it is the first),
 * whose on_unload left the value handed over. False when it raised, which was logged. */
bool version_tell_loaded(struct version *version, unsigned before);
/* Tells it that `next` takes over (0: the server ends); keeps what on_unload returns for that. */
void version_tell_unloaded(struct version *version, unsigned next);
