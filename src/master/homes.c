/* master/homes.c — which worker each script lives in.
 *
 * It is remembered by the script's path, so that a worker that is started again finds its own, and all
 * workers agree. */
#include "master/homes.h"

#include "base/list.h"
#include "base/worker.h"

#include <stdlib.h>
#include <string.h>

struct home_of {
  struct list link;
  unsigned number;
  char script[];
};

struct homes {
  struct list all;
  unsigned workers;
  unsigned counts[WORKERS_MAX]; /* that live in worker number i + 1 */
};

struct homes *homes_new(unsigned workers) {
  struct homes *homes = calloc(1, sizeof *homes);
  if (!homes) return NULL;
  list_init(&homes->all);
  homes->workers = workers;
  return homes;
}

static void forget(struct homes *homes, struct home_of *home) {
  homes->counts[home->number - 1]--;
  list_remove(&home->link);
  free(home);
}

static struct home_of *home_at(struct list *link) {
  return LIST_ELEMENT(link, struct home_of, link);
}

void homes_free(struct homes *homes) {
  while (!list_empty(&homes->all)) forget(homes, home_at(homes->all.next));
  free(homes);
}

static struct home_of *find(const struct homes *homes, const char *script) {
  for (struct list *link = homes->all.next; link != &homes->all; link = link->next) {
    if (strcmp(home_at(link)->script, script) == 0) return home_at(link);
  }
  return NULL;
}

static unsigned emptiest(const struct homes *homes) {
  unsigned best = 0;
  for (unsigned i = 1; i < homes->workers; i++)
    if (homes->counts[i] < homes->counts[best]) best = i;
  return best;
}

unsigned homes_find(struct homes *homes, const char *script) {
  struct home_of *home = find(homes, script);
  if (home) return home->number;
  const size_t size = strlen(script) + 1;
  home = malloc(sizeof *home + size);
  if (!home) return 0;
  const unsigned index = emptiest(homes);
  home->number = index + 1;
  memcpy(home->script, script, size);
  homes->counts[index]++;
  list_append(&homes->all, &home->link);
  return home->number;
}

void homes_forget(struct homes *homes, const char *script) {
  struct home_of *home = find(homes, script);
  if (home) forget(homes, home);
}
