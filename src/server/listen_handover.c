/* server/listen_handover.c — a script's listening sockets, when another process takes them over or has
 * done so. Knows no channel. */
#include "server/listen_state.h"

#include "api/udp.h"
#include "base/handover.h"
#include "net/listener.h"

static int handover_descriptor(const struct listen_entry *entry) {
  return entry->udp ? api_udp_descriptor(entry->udp) : listener_descriptor(entry->listener);
}

void listen_set_export(const struct listen_set *set, handover_visit *visit, void *context) {
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    char message[HANDOVER_BYTES_MAX] = "socket";
    if (!listen_entry_is_open(entry) || entry->handed) continue; /* activation_export() has those */
    bool owns = entry->listener && listener_owns_file(entry->listener);
    handover_add(message, "for", "listen");
    handover_add(message, "from", "server");
    handover_add(message, "name", set->names[i]);
    handover_add(message, "script", set->path);
    handover_add(message, "given", entry->given);
    handover_add(message, "groups", entry->groups);
    handover_add(message, "file", owns ? "own" : NULL);
    visit(context, message, handover_descriptor(entry));
  }
}

void listen_set_own_files(struct listen_set *set, bool on) {
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    if (entry->listener && !entry->handed) listener_own_file(entry->listener, on);
  }
}
