/* server/listen.c — the sockets a script listens on: from its addresses to accepted connections. */
#include "server/listen.h"

#include "api/runtime.h"
#include "api/service.h"
#include "api/tell.h"
#include "api/udp.h"
#include "base/address.h"
#include "net/listener.h"
#include "net/loop.h"
#include "server/script.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
  SOCKETS_PER_ADDRESS_MAX = 16, /* of a name with many addresses, the first ones */
  TELL_AGAIN_MS = 10000,        /* a state that comes and goes is not logged each time */
};

/* One listening socket. */
struct listen_entry {
  struct listen_set *set;
  struct listener *listener; /* NULL once closed, and of a datagram socket */
  struct udp_object *udp;    /* NULL once closed, and of any other */
  unsigned index;
};

void listen_set_init(struct listen_set *set, struct runtime *runtime,
                     const struct script_options *options) {
  *set = (struct listen_set){.runtime = runtime, .options = options};
}

static void pause_all(struct listen_set *set, bool on) {
  for (size_t i = 0; i < set->count; i++) {
    if (set->entries[i]->listener) listener_pause(set->entries[i]->listener, on);
  }
}

/* Whether something that may happen often should be logged now. */
static bool is_news(struct listen_set *set, uint64_t *told_ms) {
  uint64_t now = net_loop_now_ms(set->runtime->loop);
  if (*told_ms && now - *told_ms < TELL_AGAIN_MS) return false;
  *told_ms = now;
  return true;
}

static void check_full(struct listen_set *set) {
  struct runtime *runtime = set->runtime;
  if (set->full || runtime->group.count < set->connections_max) return;
  set->full = true;
  pause_all(set, true);
  if (!is_news(set, &set->told_full_ms)) return;
  runtime_logf(set->runtime, LOG_WARN,
               "limits.connections = %zu reached: new ones wait until one closes",
               set->connections_max);
}

void listen_set_room(struct listen_set *set) {
  if (!set->full || set->runtime->group.count >= set->connections_max) return;
  set->full = false;
  pause_all(set, false);
}

static void on_accept(void *owner, int fd, const struct sockaddr *peer) {
  struct listen_entry *entry = owner;
  struct listen_set *set = entry->set;
  int rc = conn_accept(&set->runtime->group, fd, peer, entry->index);
  if (rc < 0) {
    runtime_logf(set->runtime, LOG_WARN, "a connection could not be taken on: %s", uv_strerror(rc));
  }
  check_full(set);
}

static void on_starved(void *owner, int rc) {
  struct listen_entry *entry = owner;
  struct listen_set *set = entry->set;
  if (rc == 0 || !is_news(set, &set->told_starved_ms)) return;
  const char *advice =
      rc == UV_EMFILE ? "; raise the limit (ulimit -n) or lower limits.connections" : "";
  runtime_logf(set->runtime, LOG_WARN,
               "cannot accept (%s): new connections wait until one closes%s", uv_strerror(rc),
               advice);
}

static const struct listener_events events = {.on_accept = on_accept, .on_starved = on_starved};

/* What to do about a socket that cannot be opened. */
static const char *advice_for(int rc, bool is_unix) {
  switch (rc) {
    case UV_EADDRINUSE:
      return is_unix ? "a live process listens there: stop it, or choose another path"
                     : "another socket listens there: stop it, or choose another port (0 picks a "
                       "free one)";
    case UV_EADDRNOTAVAIL:
      return "no interface of this machine has that address: use 127.0.0.1, or 0.0.0.0 for all";
    case UV_EACCES:
      return is_unix ? "this user may not write in that directory"
                     : "low ports need privileges: use one from 1024 on, or grant "
                       "CAP_NET_BIND_SERVICE";
    case UV_ENOENT: return "the directory does not exist: create it";
    case UV_EEXIST: return "there is a file that is no socket: remove it, or choose another path";
    case UV_EAFNOSUPPORT: return "this machine has no IPv6: use an IPv4 address";
    default: return "see the system's message";
  }
}

static void name_of(const struct sockaddr *address, socklen_t size, const struct address *as_given,
                    char *out, size_t out_size) {
  char text[ADDRESS_TEXT_MAX];
  if (as_given->kind == ADDRESS_UNIX) {
    address_format(as_given, out, out_size);
    return;
  }
  address_from_sockaddr(address, size, text, sizeof text);
  snprintf(out, out_size, "%s://%s", as_given->kind == ADDRESS_UDP ? "udp" : "tcp", text);
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
  entry->set = set;
  entry->index = (unsigned)set->count;
  set->entries[set->count] = entry;
  set->names[set->count] = NULL;
  set->count = count;
  set->runtime->listeners = (const char *const *)set->names;
  return entry;
}

static int fail(struct listen_set *set, const char *name, int rc, bool is_unix) {
  runtime_logf(set->runtime, LOG_ERROR, "cannot listen on %s (%s): %s", name, uv_strerror(rc),
               advice_for(rc, is_unix));
  return rc;
}

static int open_stream(struct listen_entry *entry, const struct sockaddr *address, socklen_t size) {
  struct net_loop *loop = entry->set->runtime->loop;
  int rc = listener_bind(loop, address, size, &events, entry, &entry->listener);
  return rc < 0 ? rc : listener_listen(entry->listener, entry->set->options->backlog);
}

static int open_datagrams(struct listen_entry *entry, const struct sockaddr *address) {
  return api_serve_udp(entry->set->runtime, address, &entry->udp);
}

/* Opens one socket, and tells its port in `address`. 0 or UV_E*; nothing is logged but success. */
static int open_socket(struct listen_set *set, struct sockaddr_storage *address, socklen_t size,
                       const struct address *as_given) {
  struct sockaddr *any = (struct sockaddr *)address;
  struct listen_entry *entry = append_entry(set);
  if (!entry) return UV_ENOMEM;
  bool is_udp = as_given->kind == ADDRESS_UDP;
  int rc = is_udp ? open_datagrams(entry, any) : open_stream(entry, any, size);
  if (rc == 0 && is_udp) rc = api_udp_address(entry->udp, address, &size);
  if (rc == 0 && !is_udp) rc = listener_address(entry->listener, address, &size);
  if (rc < 0) return rc;
  char name[ADDRESS_TEXT_MAX];
  name_of(any, size, as_given, name, sizeof name);
  set->names[entry->index] = strdup(name);
  if (!set->names[entry->index]) return UV_ENOMEM;
  runtime_logf(set->runtime, LOG_INFO, "listening on %s", name);
  if (api_is_told(set->runtime, EVENT_LISTEN)) api_tell_listen(set->runtime, EVENT_LISTEN, name);
  return 0;
}

/* A name may stand for addresses that this machine lacks (::1 without IPv6): one that works will
 * do. They share the port that the first one got. */
static int open_each(struct listen_set *set, struct sockaddr_storage *found, socklen_t *sizes,
                     int count, const struct address *as_given) {
  int opened = 0;
  int port = 0;
  for (int i = 0; i < count; i++) {
    char name[ADDRESS_TEXT_MAX];
    struct sockaddr *any = (struct sockaddr *)&found[i];
    if (as_given->port == 0 && port > 0) address_set_port(any, (uint16_t)port);
    name_of(any, sizes[i], as_given, name, sizeof name);
    int rc = open_socket(set, &found[i], sizes[i], as_given);
    bool optional = count > 1 && (rc == UV_EADDRNOTAVAIL || rc == UV_EAFNOSUPPORT);
    if (rc < 0 && (!optional || (opened == 0 && i == count - 1))) {
      return fail(set, name, rc, as_given->kind == ADDRESS_UNIX);
    }
    if (rc < 0) continue;
    opened++;
    port = address_port(any);
  }
  return 0;
}

/* Reads `text`; -1 after a log line when it is no address that can be listened on. */
static int read_address(struct listen_set *set, const char *text, struct address *address) {
  char error[512];
  if (address_parse(text, set->options->host, address, error, sizeof error) < 0) {
    runtime_logf(set->runtime, LOG_ERROR, "%s", error);
    return -1;
  }
  const struct service *service = set->runtime->service;
  bool datagrams = service_has(service, HANDLER_ON_DATAGRAM);
  bool streams = service_has(service, HANDLER_ON_DATA) || service_has(service, HANDLER_ON_OPEN) ||
                 service_has(service, HANDLER_ON_MESSAGE) || service_has(service, HANDLER_MAIN);
  if (address->kind == ADDRESS_UDP && !datagrams) {
    runtime_logf(set->runtime, LOG_ERROR, "%s: the script has no on_datagram for it", text);
    return -1;
  }
  if (address->kind != ADDRESS_UDP && datagrams && !streams) {
    runtime_logf(set->runtime, LOG_ERROR, "%s: the script has on_datagram only: write udp://",
                 text);
    return -1;
  }
  if (address->kind != ADDRESS_TLS) return 0;
  runtime_logf(set->runtime, LOG_ERROR,
               "%s: this version has no TLS: put a proxy that has it in front", text);
  return -1;
}

int listen_set_check(struct listen_set *set, const char *const *addresses, size_t count) {
  int rc = 0;
  for (size_t i = 0; i < count; i++) {
    struct address address;
    if (read_address(set, addresses[i], &address) < 0) rc = -1;
  }
  return rc;
}

static int open_address(struct listen_set *set, const char *text) {
  struct address address;
  struct sockaddr_storage found[SOCKETS_PER_ADDRESS_MAX];
  socklen_t sizes[SOCKETS_PER_ADDRESS_MAX];
  char error[512];
  if (read_address(set, text, &address) < 0) return -1;
  int count = address_resolve(&address, found, sizes, SOCKETS_PER_ADDRESS_MAX, error, sizeof error);
  if (count < 0) {
    runtime_logf(set->runtime, LOG_ERROR, "cannot listen on %s: %s", text, error);
    return -1;
  }
  return open_each(set, found, sizes, count, &address);
}

int listen_set_open(struct listen_set *set, const char *const *addresses, size_t count,
                    size_t connections_max) {
  int rc = 0;
  set->connections_max = connections_max;
  for (size_t i = 0; i < count; i++) {
    if (open_address(set, addresses[i]) < 0) rc = -1;
  }
  return rc;
}

static void tell_closing(const struct listen_set *set, size_t index) {
  const struct listen_entry *entry = set->entries[index];
  if (!entry->listener && !entry->udp) return;
  if (!api_is_told(set->runtime, EVENT_UNLISTEN)) return;
  api_tell_listen(set->runtime, EVENT_UNLISTEN, set->names[index]);
}

void listen_set_close(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    tell_closing(set, i);
    if (set->entries[i]->listener) listener_close(set->entries[i]->listener);
    set->entries[i]->listener = NULL;
    if (set->entries[i]->udp) api_close_udp(set->entries[i]->udp);
    set->entries[i]->udp = NULL;
  }
}

void listen_set_deinit(struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) {
    free(set->entries[i]);
    free(set->names[i]);
  }
  free(set->entries);
  free(set->names);
}
