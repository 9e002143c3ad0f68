/* api/measured.c — how long the handlers of each version take, for who asks later — does not measure. */
#include "api/measured.h"

#include "api/runtime.h"
#include "vm/world.h"

#include <stdlib.h>

static void release(void *thing) {
  struct measured *measured = thing;
  if (--measured->references == 0) free(measured);
}

static void forget(struct measured *measured) {
  list_remove(&measured->link);
  release(measured);
}

void measured_begin(struct version *version) {
  struct runtime *runtime = version->runtime;
  struct measured *measured = runtime->measures ? calloc(1, sizeof *measured) : NULL;
  if (!measured) return;
  measured->version = version->number;
  measured->references = 2;
  list_append(&runtime->measured, &measured->link);
  vm_world_keep(version->world, measured, release);
  version->measured = measured;
}

void measured_end(struct version *version) {
  struct list *head = &version->runtime->measured;
  size_t past = 0;
  if (!version->measured) return;
  version->measured->is_past = true;
  for (struct list *link = head->prev; link != head;) {
    struct measured *measured = LIST_ELEMENT(link, struct measured, link);
    link = link->prev;
    if (measured->is_past && ++past > MEASURED_PAST_MAX) forget(measured);
  }
}

void measured_forget(struct runtime *runtime) {
  struct list *head = &runtime->measured;
  while (!list_empty(head)) release(LIST_ELEMENT(list_shift(head), struct measured, link));
}
