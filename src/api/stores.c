/* api/stores.c — the stores that a process has open: each once, until all are closed. Knows no Lua.
 *
 * They stay open although no script has one any more: those in memory would lose what the next version
 * looks for. */
#include "api/stores.h"

#include "api/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stores {
  char *directory;
  bool is_trial;
  struct stores *files;
  size_t count;
  struct store *all[STORES_MAX];
};

struct stores *stores_new(const struct stores_place *place) {
  struct stores *stores = calloc(1, sizeof *stores);
  if (!stores) return NULL;
  stores->is_trial = place->is_trial;
  stores->files = place->files ? place->files : stores;
  if (!place->directory || (stores->directory = strdup(place->directory))) return stores;
  free(stores);
  return NULL;
}

void stores_free(struct stores *stores) {
  if (!stores) return;
  for (size_t i = 0; i < stores->count; i++) store_close(stores->all[i]);
  free(stores->directory);
  free(stores);
}

/* By its file, or by its name among those without a path. */
static struct store *find(const struct stores *stores, const struct store_options *options) {
  for (size_t i = 0; i < stores->count; i++) {
    struct store *store = stores->all[i];
    bool is_it = options->path ? store_is_in(store, options->path)
                               : strcmp(store_name(store), options->name) == 0;
    if (is_it && store_is_kept(store) == options->is_kept) return store;
  }
  return NULL;
}

static int check_same(const struct store *store, const struct store_options *options, char *fault) {
  enum { PAGE_BYTES_MAX = 65536 };
  const uint64_t bytes = store_bytes_max(store);
  if (strcmp(store_name(store), options->name) != 0) {
    snprintf(fault, STORE_FAULT_BYTES, "%s is open already, as \"%s\"", options->path,
             store_name(store));
  } else if (bytes < options->bytes || bytes - options->bytes >= PAGE_BYTES_MAX) {
    snprintf(fault, STORE_FAULT_BYTES,
             "the store \"%s\" is open with size = %llu, and cannot have %llu, too; it keeps its "
             "size until the server ends",
             options->name, (unsigned long long)bytes, (unsigned long long)options->bytes);
  } else if (store_evicts(store) != options->evicts) {
    snprintf(fault, STORE_FAULT_BYTES, "the store \"%s\" is open with evict = %s", options->name,
             store_evicts(store) ? "true" : "false");
  } else {
    return 0;
  }
  return STORE_MISMATCH;
}

static int open_new(struct stores *stores, const struct store_options *options, char *fault,
                    struct store **out) {
  if (stores->count == STORES_MAX) {
    snprintf(fault, STORE_FAULT_BYTES, "%d stores are open: use one, and put names before keys",
             STORES_MAX);
    return -EMFILE;
  }
  int rc = store_open(options, fault, out);
  if (rc == 0) stores->all[stores->count++] = *out;
  return rc;
}

int stores_open(struct stores *stores, const struct store_options *options, char *fault,
                struct store **out) {
  struct store_options own = *options;
  char path[PATH_MAX];
  own.is_kept = options->path;
  struct stores *home = options->path && !stores->is_trial ? stores->files : stores;
  struct store *open = find(home, &own);
  if (open) {
    *out = open;
    return check_same(open, &own, fault);
  }
  if (stores->is_trial) own.path = NULL;
  if (!options->path && stores->directory && !*stores->directory) {
    snprintf(fault, STORE_FAULT_BYTES,
             "workers share no directory: none can be made in /dev/shm, $XDG_RUNTIME_DIR and /tmp; "
             "give the store a path");
    return -EACCES;
  }
  if (!options->path && stores->directory) {
    snprintf(path, sizeof path, "%s/%s.store", stores->directory, options->name);
    own.path = path;
  }
  return open_new(home, &own, fault, out);
}

void stores_each(struct stores *stores,
                 void (*visit)(void *context, const char *name, const struct store_status *status),
                 void *context) {
  for (size_t i = 0; stores && i < stores->count; i++) {
    struct store_status status;
    store_status(stores->all[i], &status);
    visit(context, store_name(stores->all[i]), &status);
  }
}
