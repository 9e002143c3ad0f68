/* api/measured.h — how long the handlers of each version take, for who asks later — does not measure. */
#pragma once

#include "api/version.h"
#include "base/durations.h"

/* Of one version. The figures of one that is gone are kept for a while: what it did between two looks
 * would be lost otherwise. */
struct measured {
  struct list link; /* in runtime->measured, oldest first */
  unsigned version;
  unsigned references; /* the runtime's, and that of the world in which handlers may still wait */
  bool is_past;
  struct durations handlers[HANDLER_COUNT];
};
enum { MEASURED_PAST_MAX = 8 };

/* A version comes into force: from now on its handlers are measured, if its runtime measures and there
 * is memory for it. */
void measured_begin(struct version *version);
/* It is gone. */
void measured_end(struct version *version);
/* The script ends. */
void measured_forget(struct runtime *runtime);

static inline struct durations *measured_of(const struct version *version, enum handler handler) {
  return version->measured ? &version->measured->handlers[handler] : NULL;
}
