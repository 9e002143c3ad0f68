/* master/keeper_handover.c — the kept sockets, when another master takes them over or has done so. */
#include "base/address.h"
#include "base/handover.h"
#include "master/keeper_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void export_one(const struct kept *kept, unsigned place, handover_visit *visit,
                       void *context) {
  const struct kept_one *one = &kept->sockets[place];
  const struct sockaddr *address = (const struct sockaddr *)&kept->address;
  char message[HANDOVER_BYTES_MAX] = "socket";
  char name[ADDRESS_TEXT_MAX], number[16];
  address_from_sockaddr(address, kept->address_bytes, name, sizeof name);
  handover_add(message, "for", "listen");
  handover_add(message, "from", "server");
  handover_add(message, "name", name);
  handover_add(message, "script", kept->script);
  handover_add(message, "given", kept->given);
  handover_add(message, "file", one->bound.file ? "own" : NULL);
  snprintf(number, sizeof number, "%u", kept->index);
  handover_add(message, "index", number);
  snprintf(number, sizeof number, "%u", one->owner);
  handover_add(message, "worker", number);
  visit(context, message, one->bound.fd);
}

/* In the order in which they began to listen, by which the kernel counts them, too. */
void keeper_export(const struct keeper *keeper, handover_visit *visit, void *context) {
  LIST_EACH (const struct kept, kept, &keeper->all, link) {
    for (unsigned i = 0; i < kept->count; i++) export_one(kept, i, visit, context);
  }
}

static bool is_same_address(const struct kept *kept, const struct left_socket *left) {
  return kept->type == left->type && kept->address_bytes == left->size &&
         memcmp(&kept->address, &left->address, left->size) == 0 &&
         strcmp(kept->script, left->script) == 0 && kept->count < WORKERS_MAX;
}

static struct kept *new_imported(struct keeper *keeper, const struct left_socket *left) {
  struct kept *kept = calloc(1, sizeof *kept);
  if (!kept) return NULL;
  kept->script = strdup(left->script);
  kept->given = left->given ? strdup(left->given) : NULL;
  if (!kept->script || (left->given && !kept->given)) {
    free(kept->script);
    free(kept);
    return NULL;
  }
  kept->id = ++keeper->last_id;
  kept->type = left->type;
  kept->index = left->index;
  kept->address = left->address;
  kept->address_bytes = left->size;
  list_append(&keeper->all, &kept->link);
  return kept;
}

void keeper_import(struct keeper *keeper, const struct left_socket *left, unsigned workers) {
  struct kept *kept = NULL;
  for (struct list *link = keeper->all.next; link != &keeper->all && !kept; link = link->next) {
    if (is_same_address(kept_of(link), left)) kept = kept_of(link);
  }
  if (!kept) kept = new_imported(keeper, left);
  if (!kept) {
    close(left->fd);
    return;
  }
  const unsigned owner = left->worker <= workers ? left->worker : 0;
  kept->inherits_file = left->owns_file;
  if (owner > 0) kept->users |= bit_of(owner); /* who does not ask for it gives it up */
  kept->sockets[kept->count++] = (struct kept_one){.bound = {.fd = left->fd}, .owner = owner};
}

static void own_files(struct kept *kept, bool on) {
  for (unsigned i = 0; i < kept->count; i++) bind_own_file(&kept->sockets[i].bound, on);
}

void keeper_settle(struct keeper *keeper) {
  for (struct list *link = keeper->all.next, *next; link != &keeper->all; link = next) {
    struct kept *kept = kept_of(link);
    next = link->next;
    if (kept->inherits_file) own_files(kept, true);
    if (kept->users == 0) keeper_close(kept);
  }
}

void keeper_disown(struct keeper *keeper) {
  LIST_EACH (struct kept, kept, &keeper->all, link) own_files(kept, false);
}
