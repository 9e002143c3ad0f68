/* server/listen_change.c — from the sockets of some services to those of their next versions, together.
 *
 * Nothing is closed before everything is open: listen_set_commit() does that. So a service may want
 * what another one still has, or a port that it has itself at another address:
 *   - A socket at the very address, which a change of another service gives up, changes hands, with
 *     what waits in it.
 *   - A socket at another address of the port (127.0.0.1 becomes 0.0.0.0) stays open beside the new
 *     one. Only those that are meant share the port, and only until the new one listens.
 * When a change fails, all are undone, and the others are done again without it: what they wanted to
 * have from it, it keeps. */
#include "server/listen_state.h"

#include "api/runtime.h"
#include "api/udp.h"
#include "net/keep.h"
#include "net/listener.h"
#include "net/udp.h"
#include "server/activation.h"
#include "server/script.h"

#include <string.h>
#include <uv.h>

/* --- Taken addresses ------------------------------------------------------------------------- */

static bool is_given_up(const struct listen_entry *entry) {
  return listen_entry_is_open(entry) && !entry->wanted && !entry->fresh;
}

static bool is_same(const struct listen_entry *old, const struct target *target, const char *name) {
  if (listen_names_one(old->set->names[old->index], name)) return true;
  return target->as_given.kind == ADDRESS_UNIX && old->listener &&
         listener_is_at(old->listener, target->as_given.path);
}

/* The socket at that address which one of the changes gives up; NULL: there is none. */
static const struct listen_entry *find_given_up(const struct listen_change *changes, size_t count,
                                                const struct target *target, const char *name) {
  for (size_t i = 0; i < count; i++) {
    const struct listen_set *set = changes[i].set;
    for (size_t k = 0; k < set->count && changes[i].rc == 0; k++) {
      const struct listen_entry *old = set->entries[k];
      if (is_given_up(old) && is_same(old, target, name)) return old;
    }
  }
  return NULL;
}

static void share_origin(const struct listen_entry *old, struct listen_entry *entry) {
  entry->handed = handed_socket_share(old->handed);
  entry->kept = keep_share(old->kept, entry->set->path);
}

static int take_over(const struct listen_entry *old, struct listen_entry *entry,
                     const struct target *target) {
  if (old->listener) {
    int rc = listener_take_over(old->listener, &listen_events, entry, &entry->listener);
    if (rc == 0) share_origin(old, entry);
    return rc;
  }
  const struct udp_options options = {
      .address = (const struct sockaddr *)&target->address,
      .descriptor = api_udp_duplicate(old->udp),
      .interface = address_interface(&target->as_given),
  };
  if (options.descriptor < 0) return options.descriptor;
  int rc = api_serve_udp(entry->set->runtime, &options, &entry->udp);
  if (rc == 0) share_origin(old, entry);
  return rc;
}

static int open_beside(struct listen_entry *entry, struct target *target) {
  const struct listen_set *set = entry->set;
  const struct sockaddr *address = (const struct sockaddr *)&target->address;
  const int kept = listen_kept_descriptor(entry, target, true);
  if (kept < 0) return kept;
  if (target->as_given.kind == ADDRESS_UDP) {
    const struct udp_options options = {.address = address,
                                        .descriptor = kept,
                                        .interface = address_interface(&target->as_given),
                                        .beside = true};
    return api_serve_udp(set->runtime, &options, &entry->udp);
  }
  const struct listener_options options = {
      .address = address, .address_size = target->size, .beside = true};
  int rc =
      kept > 0
          ? listener_adopt(set->runtime->loop, kept, &listen_events, entry, &entry->listener)
          : listener_bind_as(set->runtime->loop, &options, &listen_events, entry, &entry->listener);
  if (rc < 0) return rc;
  /* Before the others stop sharing: listen(2) looks at the port once more. */
  listener_pause(entry->listener, true);
  return listener_listen(entry->listener, set->options->backlog);
}

static void entry_share_port(const struct listen_entry *entry, bool on) {
  if (!on && keep_is_group(entry->kept)) return; /* it goes on sharing, with its other workers */
  if (entry->listener) listener_share_port(entry->listener, on);
  if (entry->udp) api_udp_share_port(entry->udp, on);
}

/* Of all that may share it with `entry`; whether there is any. */
static bool share_port(const struct listen_change *changes, size_t count,
                       const struct listen_entry *entry, bool on) {
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    const struct listen_set *set = changes[i].set;
    for (size_t k = 0; k < set->count && changes[i].rc == 0; k++) {
      const struct listen_entry *other = set->entries[k];
      bool may = set == entry->set || is_given_up(other);
      if (!may || !listen_entry_is_open(other) || other == entry) continue;
      bool is_udp = entry->kind == ADDRESS_UDP;
      if (other->port != entry->port || is_udp != (other->kind == ADDRESS_UDP)) continue;
      entry_share_port(other, on);
      any = true;
    }
  }
  return any;
}

int listen_open_in_place(const struct listen_change *changes, size_t count,
                         struct listen_entry *entry, struct target *target, const char *name) {
  const struct listen_entry *old = find_given_up(changes, count, target, name);
  if (old) return take_over(old, entry, target);
  if (target->as_given.kind == ADDRESS_UNIX || target->as_given.port == 0) return UV_EADDRINUSE;
  entry->port = target->as_given.port;
  entry->kind = target->as_given.kind;
  const struct script_options *options = entry->set->options;
  const char *its;
  /* The kernel looks at the first one that has the port, and not always at the others. */
  if (options->who_listens(options->context, entry->set->runtime, name, &its)) return UV_EADDRINUSE;
  if (!share_port(changes, count, entry, true)) return UV_EADDRINUSE;
  int rc = open_beside(entry, target);
  share_port(changes, count, entry, false);
  entry_share_port(entry, false);
  return rc;
}

/* --- All of them ----------------------------------------------------------------------------- */

void listen_give_up_prepared(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    struct listen_entry *entry = set->entries[i];
    if (entry->fresh) listen_entry_close(entry);
    entry->wanted = listen_entry_is_open(entry);
    entry->wishes = NULL;
  }
}

/* False: one of them failed, and all are undone. Before that, others would fail for its sake. */
static bool prepare_all(struct listen_change *changes, size_t count) {
  bool failed = false;
  for (size_t i = 0; i < count; i++) {
    if (changes[i].rc == 0) listen_mark_wanted(&changes[i]);
  }
  for (size_t i = 0; i < count && !failed; i++) {
    if (changes[i].rc < 0) continue;
    changes[i].rc = listen_open_wanted(changes, count, &changes[i]);
    if (changes[i].rc < 0) failed = true;
  }
  for (size_t i = 0; i < count && failed; i++) listen_give_up_prepared(changes[i].set);
  return !failed;
}

void listen_prepare(struct listen_change *changes, size_t count) {
  for (size_t i = 0; i < count; i++) changes[i].rc = 0;
  while (!prepare_all(changes, count)) continue;
}
