/* master/homes.c — which worker each script lives in.
 *
 * It is remembered by the script's path, so that a worker that is started again finds its own, and all
 * workers agree. One that is gone does not count, but if it comes back it is to where it was: others may
 * have asked just before, and do not ask again. */
#include "master/homes.h"

#include "base/list.h"
#include "base/worker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct home_of {
  struct list link;
  unsigned number;
  bool is_gone;
  char script[];
};

enum { GONE_MAX = 1000 }; /* then those that went first are forgotten for good */

struct homes {
  struct list all; /* in the order in which they came, or went */
  unsigned gone;
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

static void drop(struct home_of *home) {
  list_remove(&home->link);
  free(home);
}

static struct home_of *home_at(struct list *link) {
  return LIST_ELEMENT(link, struct home_of, link);
}

void homes_free(struct homes *homes) {
  for (struct list *link; (link = list_shift(&homes->all));) free(home_at(link));
  free(homes);
}

static struct home_of *find(const struct homes *homes, const char *script) {
  LIST_EACH (struct home_of, home, &homes->all, link) {
    if (strcmp(home->script, script) == 0) return home;
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
  if (home && home->is_gone) {
    home->is_gone = false;
    homes->gone--;
    homes->counts[home->number - 1]++;
  }
  if (home) return home->number;
  const size_t size = strlen(script) + 1;
  home = malloc(sizeof *home + size);
  if (!home) return 0;
  const unsigned index = emptiest(homes);
  home->number = index + 1;
  home->is_gone = false;
  memcpy(home->script, script, size);
  homes->counts[index]++;
  list_append(&homes->all, &home->link);
  return home->number;
}

static void drop_first_gone(struct homes *homes) {
  struct list *link = homes->all.next;
  while (!home_at(link)->is_gone) link = link->next;
  drop(home_at(link));
  homes->gone--;
}

void homes_forget(struct homes *homes, const char *script) {
  struct home_of *home = find(homes, script);
  if (!home || home->is_gone) return;
  home->is_gone = true;
  homes->counts[home->number - 1]--;
  list_remove(&home->link);
  list_append(&homes->all, &home->link);
  if (++homes->gone > GONE_MAX) drop_first_gone(homes);
}
