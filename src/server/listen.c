/* server/listen.c — the sockets a script listens on, and the connections that they accept. How they
 * are opened is in listen_open.c. */
#include "server/listen_state.h"

#include "api/runtime.h"
#include "api/tell.h"
#include "api/udp.h"
#include "base/worker.h"
#include "net/conn_proxy.h"
#include "net/connect.h"
#include "net/keep.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/option.h"
#include "net/socket_wishes.h"
#include "server/activation.h"
#include "server/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

bool listen_set_is_paused(const struct listen_set *set) {
  return set->full || door_is_slowed(&set->door) || worker_is_held(set->options->worker);
}

static void update_pauses(void *owner) {
  const struct listen_set *set = owner;
  const bool on = listen_set_is_paused(set);
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    const bool waits = on || entry->fresh; /* until its version is in force */
    if (entry->listener) listener_pause(entry->listener, waits);
    listen_entry_pause_adopted(entry, waits);
  }
}

void listen_set_go_on(struct listen_set *set) {
  update_pauses(set);
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    if (entry->udp && !entry->fresh) api_udp_hold(entry->udp, false);
  }
}

void listen_set_init(struct listen_set *set, const char *path, struct runtime *runtime,
                     const struct script_options *options) {
  *set = (struct listen_set){.path = path, .runtime = runtime, .options = options};
  door_init(&set->door, runtime, update_pauses, set);
}

static void check_full(struct listen_set *set) {
  struct runtime *runtime = set->runtime;
  if (set->full || runtime_conn_burden(runtime) < set->connections_max) return;
  set->full = true;
  update_pauses(set);
  if (!door_is_news(&set->door, &set->told_full_ms)) return;
  runtime_logf(set->runtime, LOG_WARN,
               "limits.connections = %zu reached: new ones wait until one closes",
               set->connections_max);
}

/* For the other workers: how many this one has. */
static void count_for_all(const struct listen_set *set, int change) {
  const struct worker *worker = set->options->worker;
  if (worker) atomic_fetch_add(&worker_own_slot(worker)->connections, (uint32_t)change);
}

void listen_set_room(struct listen_set *set, const struct conn *gone) {
  if (gone && conn_listener_index(gone) != CONN_NO_LISTENER) {
    count_for_all(set, -1);
    door_note_gone(&set->door, gone);
  }
  if (!set->full || runtime_conn_burden(set->runtime) >= set->connections_max) return;
  set->full = false;
  update_pauses(set);
}

static bool door_is_welcome(void *owner, const struct conn *conn) {
  return door_admits_client(owner, conn);
}

static void door_on_fault(void *owner, const struct conn *conn, const char *fault) {
  door_note_fault(owner, conn, fault);
}

static const struct conn_door proxied_door = {.is_welcome = door_is_welcome,
                                              .on_fault = door_on_fault};

static void listen_on_accept(void *owner, struct incoming *incoming, const struct sockaddr *peer) {
  struct listen_entry *entry = owner;
  struct listen_set *set = entry->set;
  const struct script_options *options = set->options;
  if (!set->is_brought && options->hand_over &&
      options->hand_over(options->context, entry, incoming, peer)) {
    return;
  }
  struct version *version = set->runtime->current;
  if (!version || !door_admits(&set->door, peer)) { /* without one nothing of it is in force */
    net_refuse(incoming);
    return;
  }
  const bool is_proxied = version->service.door.is_proxied;
  const struct accepting accepting = {
      .listener_index = entry->index,
      .tls = entry->kind == ADDRESS_TLS ? version->service.tls : NULL,
      .door = is_proxied ? &proxied_door : NULL,
      .door_owner = &set->door,
  };
  count_for_all(set, 1);
  int rc = net_accept(&version->cohort->group, incoming, peer, &accepting);
  if (rc < 0) {
    count_for_all(set, -1);
    runtime_logf(set->runtime, LOG_WARN, "a connection could not be accepted: %s", uv_strerror(rc));
  } else {
    door_note_accepted(&set->door, peer, is_proxied);
  }
  if (door_is_slowed(&set->door)) update_pauses(set);
  check_full(set);
}

static void listen_on_starved(void *owner, int rc) {
  struct listen_entry *entry = owner;
  struct listen_set *set = entry->set;
  if (rc == 0 || !door_is_news(&set->door, &set->told_starved_ms)) return;
  runtime_collect(set->runtime); /* what nobody can use any more may have some */
  const char *advice =
      rc == UV_EMFILE ? "; raise the limit (ulimit -n) or lower limits.connections" : "";
  runtime_logf(set->runtime, LOG_WARN,
               "cannot accept (%s): new connections wait until one closes%s", uv_strerror(rc),
               advice);
}

static void listen_on_backlog(void *owner, const struct platform_backlog *backlog) {
  const struct listen_entry *entry = owner;
  const struct runtime *runtime = entry->set->runtime;
  if (!api_is_told(runtime, EVENT_BACKLOG)) return;
  api_tell_backlog(runtime, entry->set->names[entry->index], backlog);
}

const struct listener_events listen_events = {.on_accept = listen_on_accept,
                                              .on_starved = listen_on_starved,
                                              .on_backlog = listen_on_backlog};

bool listen_set_bring(struct listen_set *set, const char *name, int fd,
                      const struct sockaddr *peer) {
  for (size_t i = 0; i < set->count; i++) {
    if (!set->names[i] || strcmp(set->names[i], name) != 0) continue;
    set->is_brought = true;
    net_bring(&listen_events, set->entries[i], fd, peer);
    set->is_brought = false;
    return true;
  }
  return false;
}

/* Makes room for one more socket. NULL when memory is out. */
static struct listen_entry *append_entry(struct listen_set *set) {
  size_t count = set->count + 1;
  struct listen_entry **entries = realloc(set->entries, count * sizeof *entries);
  if (entries) set->entries = entries;
  char **names = realloc(set->names, count * sizeof *names);
  if (names) set->names = names;
  struct listen_entry *entry = calloc(1, sizeof *entry);
  if (!entries || !names || !entry) {
    free(entry);
    return NULL;
  }
  list_init(&entry->adopted);
  entry->set = set;
  entry->index = (unsigned)set->count;
  set->entries[set->count] = entry;
  set->names[set->count] = NULL;
  set->count = count;
  set->runtime->listeners = (const char *const *)set->names;
  return entry;
}

bool listen_entry_is_open(const struct listen_entry *entry) {
  return entry->listener || entry->udp;
}

/* UV_ENOTSUP: there is none, in memory. */
static int descriptor_of(const struct listen_entry *entry) {
  return entry->udp ? api_udp_descriptor(entry->udp) : listener_descriptor(entry->listener);
}

int listen_entry_fulfil(struct listen_entry *entry, const struct socket_wishes *wishes,
                        const char **fault) {
  const int fd = descriptor_of(entry);
  if (fd < 0) return 0;
  char *groups = wishes->groups ? strdup(wishes->groups) : NULL;
  if (wishes->groups && !groups) return UV_ENOMEM;
  int rc = socket_wishes_fulfil(wishes, fd, entry->groups, fault);
  free(entry->groups);
  entry->groups = groups;
  return rc;
}

/* Of a socket that goes on, for another version: what cannot be is told, for it is too late to fail. */
int listen_entry_backlog(const struct listen_entry *entry) {
  const struct socket_wishes *wishes = entry->wishes;
  return wishes && wishes->backlog ? wishes->backlog : entry->set->options->backlog;
}

static void fulfil_later(struct listen_entry *entry) {
  const char *option = "backlog", *name = entry->set->names[entry->index];
  int rc = listen_entry_fulfil(entry, entry->wishes, &option);
  const int fd = descriptor_of(entry);
  if (rc == 0 && entry->listener && fd >= 0) { /* again: that changes the backlog alone */
    if (listen(fd, listen_entry_backlog(entry)) < 0) rc = uv_translate_sys_error(errno);
  }
  if (rc == 0) return;
  runtime_logf(entry->set->runtime, LOG_WARN, "option '%s' of %s cannot be set (%s)", option, name,
               uv_strerror(rc));
}

static void tell_lacking(const struct listen_entry *entry) {
  int given = 0;
  const struct socket_wish *wish =
      socket_wishes_lacking(entry->wishes, descriptor_of(entry), &given);
  if (!wish) return;
  const char *bound = wish->option->name[0] == 'r' ? "rmem" : "wmem";
  runtime_logf(entry->set->runtime, LOG_WARN,
               "%s of %s is %d bytes in place of %d: the system's bound is net.core.%s_max",
               wish->option->name, entry->set->names[entry->index], given, wish->value, bound);
}

struct listen_entry *listen_set_place(struct listen_set *set, const char *name) {
  for (size_t i = 0; i < set->count; i++) {
    struct listen_entry *entry = set->entries[i];
    if (!listen_entry_is_open(entry) && set->names[i] && strcmp(set->names[i], name) == 0)
      return entry;
  }
  return append_entry(set);
}

static void listen_tell(const struct listen_entry *entry, enum event_kind kind) {
  struct runtime *runtime = entry->set->runtime;
  if (!api_is_told(runtime, kind)) return;
  api_tell_listen(runtime, kind, entry->set->names[entry->index]);
}

void listen_entry_close(struct listen_entry *entry) {
  bool was_told = listen_entry_is_open(entry) && !entry->fresh && !entry->untold;
  if (was_told) listen_tell(entry, EVENT_UNLISTEN);
  listen_entry_close_adopted(entry);
  if (entry->listener) listener_close(entry->listener);
  if (entry->udp) api_close_udp(entry->udp);
  handed_socket_release(entry->handed);
  keep_release(entry->kept);
  free(entry->groups);
  entry->groups = NULL;
  entry->wishes = NULL;
  entry->listener = NULL;
  entry->udp = NULL;
  entry->handed = NULL;
  entry->kept = NULL;
  entry->fresh = entry->untold = entry->wanted = entry->counted = false;
}

static void log_listening(const struct listen_entry *entry, const char *what) {
  const struct listen_set *set = entry->set;
  if (set->options->is_tested || set->is_quiet) return;
  runtime_logf(set->runtime, LOG_INFO, "%s on %s", what, set->names[entry->index]);
}

static void listen_give_up(struct listen_entry *entry) {
  if (!listen_entry_is_open(entry)) return;
  if (entry->listener) listener_accept_waiting(entry->listener);
  log_listening(entry, "no longer listening");
  listen_entry_close(entry);
}

static bool has_host(const char *name, const char *scheme_and_host) {
  return strncmp(name, scheme_and_host, strlen(scheme_and_host)) == 0;
}

/* As the kernel takes it: [::] is all of IPv6 and IPv4. */
static bool contains(const char *all, const char *name) {
  if (has_host(all + 3, "://[::]:")) return true;
  return has_host(all + 3, "://0.0.0.0:") && name[strlen("tcp://")] != '[';
}

/* Whether both are of TCP, or of neither: what is said over TCP does not matter. */
static bool is_same_scheme(const char *a, const char *b) {
  bool a_is_udp = has_host(a, "udp://");
  return a_is_udp == has_host(b, "udp://");
}

bool listen_names_one(const char *a, const char *b) {
  const char *after_a = strstr(a, "://"), *after_b = strstr(b, "://");
  if (strcmp(a, b) == 0) return true;
  if (has_host(a, "unix:") || has_host(b, "unix:")) return false;
  return is_same_scheme(a, b) && strcmp(after_a, after_b) == 0;
}

static bool names_conflict(const char *a, const char *b) {
  if (listen_names_one(a, b)) return true;
  const char *port_of_a = strrchr(a, ':'), *port_of_b = strrchr(b, ':');
  if (!is_same_scheme(a, b) || has_host(a, "unix:") || has_host(b, "unix:")) return false;
  return strcmp(port_of_a, port_of_b) == 0 && (contains(a, b) || contains(b, a));
}

const char *listen_set_conflict(const struct listen_set *set, const char *name) {
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    bool stays = listen_entry_is_open(entry) && entry->wanted;
    if (stays && names_conflict(set->names[i], name)) return set->names[i];
  }
  return NULL;
}

void listen_set_receive_waiting(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    if (entry->udp && !entry->wanted) api_udp_receive_waiting(entry->udp);
  }
}

void listen_set_commit(struct listen_set *set, const struct service *service) {
  set->connections_max = service->connections_max;
  door_commit(&set->door, service);
  set->full = false;
  for (size_t i = 0; i < set->count; i++) {
    struct listen_entry *entry = set->entries[i];
    if (!entry->wanted) listen_give_up(entry);
    if (entry->wishes && !entry->fresh) fulfil_later(entry);
    if (entry->udp && entry->fresh) {
      api_udp_hold(entry->udp, worker_is_held(set->options->worker));
      listen_entry_release_adopted(entry);
    }
    if (entry->fresh) keep_tell_serving(entry->kept);
    entry->untold = entry->fresh;
    entry->fresh = false;
  }
  update_pauses(set);
  check_full(set);
}

void listen_set_tell(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    struct listen_entry *entry = set->entries[i];
    if (!entry->untold) continue;
    entry->untold = false;
    log_listening(entry, "listening");
    if (entry->wishes) tell_lacking(entry);
    entry->wishes = NULL; /* they go with their version */
    listen_tell(entry, EVENT_LISTEN);
  }
}

void listen_set_close(struct listen_set *set) {
  door_close(&set->door);
  for (size_t i = 0; i < set->count; i++) {
    listen_entry_close(set->entries[i]);
  }
}

void listen_set_drain(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    if (set->full || entry->fresh) continue; /* whose version is not in force, and never will be */
    if (entry->listener) listener_accept_waiting(entry->listener);
    listen_entry_accept_adopted(entry);
  }
  listen_set_close(set);
}

void listen_set_deinit(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    free(set->entries[i]->given);
    free(set->entries[i]->groups);
    free(set->entries[i]);
    free(set->names[i]);
  }
  free(set->entries);
  free(set->names);
  door_deinit(&set->door);
}

void listen_set_count_datagrams(const struct listen_set *set, struct udp_counts *out) {
  for (size_t i = 0; i < set->count; i++) {
    if (set->entries[i]->udp) api_udp_count(set->entries[i]->udp, out);
  }
}

bool listen_set_serves(const struct listen_set *set, const char *name) {
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *entry = set->entries[i];
    if (listen_entry_is_open(entry) && !entry->fresh && strcmp(set->names[i], name) == 0)
      return true;
  }
  return false;
}

void listen_set_each(const struct listen_set *set, void (*visit)(void *context, const char *name),
                     void *context) {
  for (size_t i = 0; i < set->count; i++) {
    if (listen_entry_is_open(set->entries[i])) visit(context, set->names[i]);
  }
}
