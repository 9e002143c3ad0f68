/* api/stores.h — the stores that a process has open: each once, until all are closed. Knows no Lua. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct store;
struct store_options;
struct store_status;
struct stores; /* opaque */

enum { STORES_MAX = 64 };

/* Where stores without a path of their own live. */
struct stores_place {
  const char *directory; /* of all processes of the server; NULL: in memory of this one;
                            "": nowhere */
  bool is_trial;        /* nothing that is done here counts: those with a path are in memory, too */
  struct stores *files; /* who has those with a path, for one process must open a file once;
                            NULL: these have them */
};

/* NULL when memory is out. */
struct stores *stores_new(const struct stores_place *place);
/* Closes them all: nobody may have one any more. `stores` may be NULL. */
void stores_free(struct stores *stores);

/* As store_open(), of what is open with the same options, or is opened. STORE_MISMATCH: it is open with
 * others. -EMFILE: there are STORES_MAX. `options->path` is the author's, or NULL. */
int stores_open(struct stores *stores, const struct store_options *options, char *fault,
                struct store **out);

/* `stores` may be NULL. */
void stores_each(struct stores *stores,
                 void (*visit)(void *context, const char *name, const struct store_status *status),
                 void *context);
