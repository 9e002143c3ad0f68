/* server/listen_adopt.c — sockets of other workers, which are away, beside the own one of the same
 * address. */
#include "server/listen_state.h"

#include "api/runtime.h"
#include "api/udp.h"
#include "net/keep.h"
#include "net/listener.h"
#include "net/udp.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

/* One of them; its connections are those of the entry. */
struct adopted {
  struct list link;
  uint32_t place;
  struct listener *listener; /* or NULL */
  struct udp_object *udp;    /* or NULL */
};

static struct adopted *adopted_of(const struct list *link) {
  return LIST_ELEMENT(link, struct adopted, link);
}

static struct listen_entry *find_entry(const struct listen_set *set, uint32_t id) {
  for (size_t i = 0; i < set->count; i++) {
    struct listen_entry *entry = set->entries[i];
    if (entry->kept && listen_entry_is_open(entry) && keep_id(entry->kept) == id) return entry;
  }
  return NULL;
}

static void close_adopted(struct adopted *adopted) {
  list_remove(&adopted->link);
  if (adopted->listener) listener_close(adopted->listener);
  if (adopted->udp) api_close_udp(adopted->udp);
  free(adopted);
}

static int open_udp(struct listen_entry *entry, struct adopted *adopted, int fd) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  const struct udp_options options = {.address = (const struct sockaddr *)&address,
                                      .descriptor = fd};
  int rc = api_udp_address(entry->udp, &address, &size);
  if (rc < 0) {
    close(fd);
    return rc;
  }
  rc = api_serve_udp(entry->set->runtime, &options, &adopted->udp);
  if (rc == 0 && entry->fresh) api_udp_hold(adopted->udp, true);
  return rc;
}

static int open_adopted(struct listen_entry *entry, struct adopted *adopted, int fd) {
  if (entry->udp) return open_udp(entry, adopted, fd);
  struct net_loop *loop = entry->set->runtime->loop;
  int rc = listener_adopt(loop, fd, &listen_events, entry, &adopted->listener);
  if (rc < 0) return rc;
  listener_pause(adopted->listener, entry->fresh || listen_set_is_paused(entry->set));
  return listener_listen(adopted->listener, listen_entry_backlog(entry));
}

bool listen_set_adopt(struct listen_set *set, uint32_t id, uint32_t place) {
  struct listen_entry *entry = find_entry(set, id);
  if (!entry) return false;
  struct adopted *adopted = calloc(1, sizeof *adopted);
  int fd = -1;
  if (!adopted || keep_adopt(entry->kept, place, &fd) < 0) {
    free(adopted);
    return true;
  }
  adopted->place = place;
  list_append(&entry->adopted, &adopted->link);
  if (open_adopted(entry, adopted, fd) < 0) close_adopted(adopted);
  return true;
}

void listen_set_return(struct listen_set *set, uint32_t id, uint32_t place) {
  struct listen_entry *entry = find_entry(set, id);
  struct list *link = entry ? entry->adopted.next : NULL;
  while (entry && link != &entry->adopted) {
    struct adopted *adopted = adopted_of(link);
    link = link->next;
    if (adopted->place == place) close_adopted(adopted);
  }
}

void listen_entry_pause_adopted(const struct listen_entry *entry, bool on) {
  const struct list *link = &entry->adopted;
  while ((link = link->next) != &entry->adopted)
    if (adopted_of(link)->listener) listener_pause(adopted_of(link)->listener, on);
}

void listen_entry_release_adopted(const struct listen_entry *entry) {
  const struct list *link = &entry->adopted;
  while ((link = link->next) != &entry->adopted)
    if (adopted_of(link)->udp) api_udp_hold(adopted_of(link)->udp, false);
}

void listen_entry_accept_adopted(const struct listen_entry *entry) {
  const struct list *link = &entry->adopted;
  while ((link = link->next) != &entry->adopted)
    if (adopted_of(link)->listener) listener_accept_waiting(adopted_of(link)->listener);
}

void listen_entry_close_adopted(struct listen_entry *entry) {
  for (struct list *link; (link = list_shift(&entry->adopted));) close_adopted(adopted_of(link));
}
