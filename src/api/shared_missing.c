/* api/shared_missing.c — a build without LMDB: nothing is shared, and lua/moonport/shared.lua says why. */
#include "api/modules.h"
#include "api/stores.h"

const struct api_type api_store_type = {.name = "moonport.store"};
const luaL_Reg api_shared_functions[] = {{NULL, NULL}};

struct stores *stores_new(const struct stores_place *place) {
  (void)place;
  return NULL;
}

void stores_free(struct stores *stores) {
  (void)stores;
}

void stores_each(struct stores *stores,
                 void (*visit)(void *context, const char *name, const struct store_status *status),
                 void *context) {
  (void)stores, (void)visit, (void)context;
}
