/* server/copies/hand_over.c — connections from the worker that accepted them to the one that has least.
 *
 * The kernel spreads connections by a hash, which knows nothing of how many each has. One that is on its way
 * counts for whom it goes to. It lies in the socket between the two: if the other ends, the worker that
 * takes its place reads it. */
#include "api/runtime.h"
#include "base/log.h"
#include "net/connect.h"
#include "server/copies/state.h"
#include "server/listen_state.h"
#include "server/server_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
  BEATEN_MS = 3000, /* a loop that has not turned for so long gets none */
  WAIT_MS = 10000,  /* for a script to come into force */
  TELL_MS = 1000,   /* what may come often is told no more often */
  LAST_MS = 100,    /* for what was on its way when this worker said that it takes no more */
};

struct hand_over_head {
  uint32_t path_size; /* of the script; then comes its listener's name */
  uint32_t name_size;
  struct sockaddr_storage peer;
};

static struct worker_facts *facts_of(const struct worker *worker, unsigned number) {
  return &worker->page->facts[number - 1];
}

static size_t load_of(const struct worker *worker, unsigned number) {
  return (size_t)atomic_load(&worker_slot_of(worker, number)->connections) +
         atomic_load(&facts_of(worker, number)->coming);
}

static bool has_script(const struct worker *worker, unsigned number, uint64_t hash) {
  const struct worker_facts *facts = facts_of(worker, number);
  const uint32_t count = atomic_load(&facts->script_count);
  for (uint32_t i = 0; i < count; i++) {
    if (atomic_load(&facts->scripts[i]) == hash) return true;
  }
  return false;
}

static bool may_have_it(const struct worker *worker, unsigned number, uint64_t now_ms) {
  const struct worker_slot *slot = worker_slot_of(worker, number);
  return atomic_load(&slot->phase) == WORKER_SERVING && !atomic_load(&slot->is_away) &&
         atomic_load(&slot->heard_ms) + BEATEN_MS > now_ms;
}

/* Of those that have a copy, who has least; 0: nobody has so much less that it is worth it. */
static unsigned find_least(const struct worker *worker, const struct listen_set *set) {
  const unsigned home = set->home ? set->home : worker->number;
  const uint64_t now_ms = worker_now_ms();
  size_t least = SIZE_MAX;
  unsigned found = 0;
  for (unsigned i = 0; i < set->workers && i < worker->count; i++) {
    const unsigned number = (home - 1 + i) % worker->count + 1;
    if (number == worker->number || !may_have_it(worker, number, now_ms)) continue;
    const size_t load = load_of(worker, number);
    if (load >= least) continue;
    least = load;
    found = number;
  }
  const size_t own = load_of(worker, worker->number);
  bool is_far = found && own > least + 1 + least / 8 && least < set->connections_max;
  return is_far ? found : 0;
}

bool copies_hand_over(struct server *server, const struct listen_entry *entry,
                      struct incoming *incoming, const struct sockaddr *peer) {
  const struct listen_set *set = entry->set;
  const struct worker *worker = server->options.worker;
  const int fd = net_incoming_descriptor(incoming);
  if (set->workers < 2 || !worker || fd < 0 || server->phase != SERVING) return false;
  const unsigned to = find_least(worker, set);
  if (to == 0 || !has_script(worker, to, copies_hash(set->path))) return false;
  const char *name = set->names[entry->index];
  struct hand_over_head head = {.path_size = (uint32_t)strlen(set->path),
                                .name_size = (uint32_t)strlen(name)};
  char bytes[sizeof head + PATH_MAX + ADDRESS_TEXT_MAX];
  const size_t size = sizeof head + head.path_size + head.name_size;
  if (size > sizeof bytes) return false;
  memcpy(&head.peer, peer, address_size(peer));
  memcpy(bytes, &head, sizeof head);
  memcpy(bytes + sizeof head, set->path, head.path_size);
  memcpy(bytes + sizeof head + head.path_size, name, head.name_size);
  atomic_fetch_add(&facts_of(worker, to)->coming, 1);
  if (mesh_send(server->mesh, to, MESH_CONNECTION, bytes, size, fd) < 0) {
    atomic_fetch_sub(&facts_of(worker, to)->coming, 1);
    return false;
  }
  net_let_go(incoming);
  return true;
}

/* Who serves that address by now: the file has another name here already, or another script has taken the
 * address over. */
static struct script *find_heir(const struct server *server, const char *name) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (script->runtime.current && listen_set_serves(&script->listeners, name)) return script;
  }
  return NULL;
}

/* The script that it is for; one that is leaving has it rather than nobody. */
static struct script *find_script(const struct server *server, const char *path, const char *name) {
  struct script *leaving = NULL;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (strcmp(script->path, path) != 0 || !script->runtime.current) continue;
    if (!script->is_leaving) return script;
    leaving = script;
  }
  struct script *heir = find_heir(server, name);
  return heir ? heir : leaving;
}

/* A process that was killed may have read some, and not counted them: it begins with none, and never has
 * fewer. */
static void note_arrival(const struct copies *copies) {
  _Atomic uint32_t *coming = &facts_of(copies->worker, copies->worker->number)->coming;
  uint32_t count = atomic_load(coming);
  while (count > 0 && !atomic_compare_exchange_weak(coming, &count, count - 1)) continue;
}

void hand_over_begin(const struct copies *copies) {
  atomic_store(&facts_of(copies->worker, copies->worker->number)->coming, 0);
}

/* It has come before the script is in force here, as after a start. */
struct waiting {
  struct list link;
  int fd;
  uint64_t ends_ms;
  struct sockaddr_storage peer;
  char name[ADDRESS_TEXT_MAX];
  char path[];
};

static void waiting_free(struct copies *copies, struct waiting *waiting) {
  note_arrival(copies);
  list_remove(&waiting->link);
  free(waiting);
}

static bool take(struct copies *copies, struct waiting *waiting) {
  struct script *script = find_script(copies->server, waiting->path, waiting->name);
  if (!script) return false;
  const struct sockaddr *peer = (const struct sockaddr *)&waiting->peer;
  if (!listen_set_bring(&script->listeners, waiting->name, waiting->fd, peer)) return false;
  waiting_free(copies, waiting);
  return true;
}

static void reset(struct copies *copies, struct waiting *waiting) {
  log_about(
      copies->server->options.log, LOG_WARN, waiting->path, 0,
      "%s: a connection that another worker accepted is reset: it is not served here any more",
      waiting->path);
  net_refuse_descriptor(waiting->fd);
  waiting_free(copies, waiting);
}

void hand_over_take_waiting(struct copies *copies) {
  struct list waiting;
  list_take(&waiting, &copies->waiting);
  for (struct list *link; (link = list_shift(&waiting));) {
    list_append(&copies->waiting, link);
    (void)take(copies, LIST_ELEMENT(link, struct waiting, link));
  }
}

bool hand_over_on_time(struct copies *copies) {
  struct list *link = copies->waiting.next;
  while (link != &copies->waiting) {
    struct waiting *waiting = LIST_ELEMENT(link, struct waiting, link);
    link = link->next;
    if (worker_now_ms() >= waiting->ends_ms) reset(copies, waiting);
  }
  copies->hooks->check_drain(copies->server);
  return !list_empty(&copies->waiting) || copies->last_ms > 0;
}

void hand_over_free(struct copies *copies) {
  for (struct list *link; (link = list_shift(&copies->waiting));) {
    reset(copies, LIST_ELEMENT(link, struct waiting, link));
  }
}

/* NULL: it is none of ours, or memory is out. */
static struct waiting *read_message(const char *bytes, size_t size, int fd) {
  struct hand_over_head head;
  if (size < sizeof head) return NULL;
  memcpy(&head, bytes, sizeof head);
  if (size != sizeof head + head.path_size + head.name_size) return NULL;
  struct waiting *waiting = calloc(1, sizeof *waiting + head.path_size + 1);
  if (!waiting || head.name_size >= sizeof waiting->name) {
    free(waiting);
    return NULL;
  }
  waiting->fd = fd;
  waiting->peer = head.peer;
  waiting->ends_ms = worker_now_ms() + WAIT_MS;
  memcpy(waiting->path, bytes + sizeof head, head.path_size);
  memcpy(waiting->name, bytes + sizeof head + head.path_size, head.name_size);
  return waiting;
}

/* The kernel has closed it: there is nobody to refuse any more. */
static void note_lost(struct copies *copies) {
  const uint64_t now_ms = worker_now_ms();
  copies->lost++;
  if (copies->told_ms > 0 && now_ms < copies->told_ms + TELL_MS) return;
  copies->told_ms = now_ms;
  log_printf(copies->server->options.log, LOG_WARN,
             "a connection that another worker accepted is lost, %" PRIu64
             " so far: this one has no descriptors left; raise the limit (ulimit -n) or lower "
             "limits.connections",
             copies->lost);
}

void hand_over_on_message(void *context, unsigned from, const char *bytes, size_t size, int fd) {
  struct copies *copies = context;
  struct waiting *waiting = fd >= 0 ? read_message(bytes, size, fd) : NULL;
  (void)from;
  if (!waiting) {
    note_arrival(copies);
    if (fd >= 0) net_refuse_descriptor(fd);
    if (fd < 0) note_lost(copies);
    return;
  }
  list_append(&copies->waiting, &waiting->link);
  if (!take(copies, waiting)) copies_watch_time(copies);
}

static bool has_copies(const struct server *server) {
  bool any = false;
  for (size_t i = 0; i < server->script_count; i++) {
    any = any || script_is_spread(server->scripts[i]);
  }
  return any;
}

bool copies_may_come(struct server *server) {
  struct copies *copies = server->copies;
  if (!copies || !has_copies(server)) return false;
  if (copies->last_ms == 0) {
    copies->last_ms = worker_now_ms() + LAST_MS;
    copies_watch_time(copies);
  }
  return worker_now_ms() < copies->last_ms;
}
