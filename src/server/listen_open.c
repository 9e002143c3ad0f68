/* server/listen_open.c — from the addresses of a service to open sockets.
 *
 * What is open already, and wanted again, goes on as it is; what is new is opened beside it. */
#include "server/listen_state.h"

#include "api/runtime.h"
#include "api/service.h"
#include "api/udp.h"
#include "net/keep.h"
#include "net/listener.h"
#include "net/socket_wishes.h"
#include "net/udp.h"
#include "server/activation.h"
#include "server/names.h"
#include "server/script.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static void listen_name_of(const struct sockaddr *address, socklen_t size,
                           const struct address *as_given, char *out, size_t out_size) {
  char text[ADDRESS_TEXT_MAX];
  if (as_given->kind == ADDRESS_UNIX) {
    address_format(as_given, out, out_size);
    return;
  }
  address_from_sockaddr(address, size, text, sizeof text);
  const char *scheme = address_scheme(as_given->kind);
  const char *interface = address->sa_family == AF_INET ? strchr(as_given->host, '%') : NULL;
  if (interface) { /* of a group: of IPv6 the kernel has it */
    int port = address_port(address);
    snprintf(out, out_size, "%s://%s:%d", scheme, as_given->host, port);
  } else {
    snprintf(out, out_size, "%s://%s", scheme, text);
  }
}

static struct sockaddr *any(struct target *target) {
  return (struct sockaddr *)&target->address;
}

/* The open socket that already is what `target` asks for, or NULL. One that was opened for port 0
 * keeps the port that it got, as long as the script writes the same; two of them are two. */
static struct listen_entry *listen_find_open(struct listen_set *set, struct target *target) {
  char name[ADDRESS_TEXT_MAX];
  bool picked = target->as_given.port == 0 && target->as_given.kind != ADDRESS_UNIX;
  for (size_t i = 0; i < set->count; i++) {
    struct listen_entry *entry = set->entries[i];
    if (!listen_entry_is_open(entry)) continue;
    if (picked && (entry->counted || strcmp(entry->given, target->given) != 0)) continue;
    struct sockaddr_storage address = target->address;
    if (picked) address_set_port((struct sockaddr *)&address, entry->port);
    listen_name_of((struct sockaddr *)&address, target->size, &target->as_given, name, sizeof name);
    if (strcmp(set->names[i], name) == 0) return entry;
  }
  return NULL;
}

/* A descriptor of what is open there already, by the supervisor or by the process before this one; 0:
 * nothing is; or UV_E*. */
static int handed_descriptor(struct listen_entry *entry, struct target *target, int type) {
  const struct wanted_socket wanted = {
      .address = any(target),
      .size = target->size,
      .type = type,
      .picks = target->as_given.kind != ADDRESS_UNIX && address_port(any(target)) == 0,
      .script = entry->set->path,
      .given = target->given,
  };
  struct handed_socket *handed = activation_take(entry->set->options->activation, &wanted);
  if (!handed) return 0;
  if (!handed_socket_is_own(handed)) {
    entry->handed = handed;
  } else if (handed_socket_groups(handed)) {
    free(entry->groups);
    entry->groups = strdup(handed_socket_groups(handed)); /* without memory they are joined again */
  }
  return handed_socket_open(handed);
}

/* Of several sockets at port 0 that are written the same, each is found again by its place among them. */
static unsigned place_among_picked(const struct listen_entry *entry, const struct target *target) {
  const struct listen_set *set = entry->set;
  unsigned place = 0;
  for (size_t i = 0; i < set->count; i++) {
    const struct listen_entry *other = set->entries[i];
    if (other->kept && strcmp(other->given, target->given) == 0) place++;
  }
  return place;
}

int listen_kept_descriptor(struct listen_entry *entry, struct target *target, bool is_beside) {
  const struct script_options *options = entry->set->options;
  const bool is_udp = target->as_given.kind == ADDRESS_UDP;
  const struct keep_wish wish = {
      .address = any(target),
      .address_bytes = target->size,
      .type = is_udp ? SOCK_DGRAM : SOCK_STREAM,
      .script = entry->set->path,
      .given = target->given,
      .index = place_among_picked(entry, target),
      .copies = (unsigned)entry->set->workers_next,
      .backlog = listen_entry_backlog(entry),
      .interface = address_interface(&target->as_given),
      .beside = is_beside,
  };
  int fd = 0;
  if (!options->worker) return 0;
  int rc =
      keep_open(options->worker, &wish, &entry->kept, &fd, target->holder, sizeof target->holder);
  return rc < 0 ? rc : fd;
}

/* A descriptor of what is open already: the supervisor's, or the master's. 0: there is none; or UV_E*. */
static int open_descriptor(struct listen_entry *entry, struct target *target) {
  const bool is_udp = target->as_given.kind == ADDRESS_UDP;
  int fd = handed_descriptor(entry, target, is_udp ? SOCK_DGRAM : SOCK_STREAM);
  return fd != 0 ? fd : listen_kept_descriptor(entry, target, false);
}

static int open_stream(struct listen_entry *entry, struct target *target) {
  struct net_loop *loop = entry->set->runtime->loop;
  int fd = open_descriptor(entry, target);
  if (fd < 0) return fd;
  if (fd > 0) return listener_adopt(loop, fd, &listen_events, entry, &entry->listener);
  return listener_bind(loop, any(target), target->size, &listen_events, entry, &entry->listener);
}

static int open_datagrams(struct listen_entry *entry, struct target *target) {
  struct udp_options options = {.address = any(target),
                                .interface = address_interface(&target->as_given)};
  if (options.interface < 0) return UV_ENXIO;
  options.descriptor = open_descriptor(entry, target);
  if (options.descriptor < 0) return options.descriptor;
  return api_serve_udp(entry->set->runtime, &options, &entry->udp);
}

/* Connections wait in the backlog until the change is complete, and datagrams. */
static int listen_and_ask(struct listen_entry *entry, struct target *target) {
  if (entry->udp) {
    api_udp_hold(entry->udp, true);
    return api_udp_address(entry->udp, &target->address, &target->size);
  }
  listener_pause(entry->listener, true);
  int rc = listener_listen(entry->listener, listen_entry_backlog(entry));
  return rc < 0 ? rc : listener_address(entry->listener, &target->address, &target->size);
}

static int name_entry(struct listen_entry *entry, struct target *target) {
  struct listen_set *set = entry->set;
  char bound[ADDRESS_TEXT_MAX];
  listen_name_of(any(target), target->size, &target->as_given, bound, sizeof bound);
  free(entry->given);
  free(set->names[entry->index]);
  entry->given = strdup(target->given);
  set->names[entry->index] = strdup(bound);
  entry->port = (uint16_t)address_port(any(target));
  entry->kind = target->as_given.kind;
  return entry->given && set->names[entry->index] ? 0 : UV_ENOMEM;
}

/* One of several that are prepared together. */
struct opening {
  const struct listen_change *changes;
  size_t count;
  const struct listen_change *change;
};

/* Opens one socket, and tells its port in `target`. 0 or UV_E*; nothing is logged. */
static int open_target(const struct opening *opening, struct target *target, const char *name) {
  struct listen_entry *entry = listen_set_place(opening->change->set, name);
  if (!entry) return UV_ENOMEM;
  entry->fresh = entry->wanted = entry->counted = true;
  entry->wishes = target->wishes;
  bool is_udp = target->as_given.kind == ADDRESS_UDP;
  int rc = is_udp ? open_datagrams(entry, target) : open_stream(entry, target);
  if (rc == UV_EADDRINUSE) {
    rc = listen_open_in_place(opening->changes, opening->count, entry, target, name);
  }
  if (rc == 0 && target->wishes) rc = listen_entry_fulfil(entry, target->wishes, &target->option);
  if (rc == 0) {
    target->option = NULL;
    rc = listen_and_ask(entry, target);
  }
  int named = name_entry(entry, target);
  if (rc == 0) rc = named;
  if (rc < 0) listen_entry_close(entry);
  return rc;
}

/* A name may stand for addresses that this machine lacks (::1 without IPv6): one that works will
 * do. They share the port that the first one got. */
static int open_each(const struct opening *opening, struct target *targets, int count) {
  struct listen_set *set = opening->change->set;
  int opened = 0;
  int port = 0;
  for (int i = 0; i < count; i++) {
    struct target *target = &targets[i];
    char name[ADDRESS_TEXT_MAX];
    struct listen_entry *entry = listen_find_open(set, target);
    if (entry) {
      entry->wanted = entry->counted = true;
      entry->wishes = target->wishes;
      opened++;
      continue;
    }
    if (target->as_given.port == 0 && port > 0) address_set_port(any(target), (uint16_t)port);
    listen_name_of(any(target), target->size, &target->as_given, name, sizeof name);
    int rc = open_target(opening, target, name);
    bool optional = count > 1 && (rc == UV_EADDRNOTAVAIL || rc == UV_EAFNOSUPPORT);
    if (rc < 0 && (!optional || (opened == 0 && i == count - 1))) {
      return listen_fail(set, name, rc, target);
    }
    if (rc < 0) continue;
    opened++;
    port = address_port(any(target));
  }
  return 0;
}

/* What `service` can do with an address of that kind; -1 after a log line. */
static int check_kind(struct listen_set *set, const struct service *service, const char *text,
                      enum address_kind kind) {
  bool datagrams = service_has(service, HANDLER_ON_DATAGRAM);
  bool streams = service_has(service, HANDLER_ON_DATA) || service_has(service, HANDLER_ON_OPEN) ||
                 service_has(service, HANDLER_ON_MESSAGE) || service_has(service, HANDLER_MAIN);
  if (kind == ADDRESS_UDP && !datagrams) {
    listen_fault(set, text, "%s: the script has no on_datagram for it", text);
    return -1;
  }
  if (kind != ADDRESS_UDP && datagrams && !streams) {
    listen_fault(set, text, "%s: the script has on_datagram only: write udp://", text);
    return -1;
  }
  if (kind != ADDRESS_TLS || service->tls) return 0;
  listen_fault(set, text,
               "%s: the script has no certificate for it: add tls = { cert = \"cert.pem\", key = "
               "\"key.pem\" }",
               text);
  return -1;
}

/* Reads `text`; -1 after a log line when it is no address that can be listened on. */
static int listen_read_address(struct listen_set *set, const struct service *service,
                               const char *text, struct address *address) {
  char error[512];
  if (address_parse(text, set->options->host, address, error, sizeof error) < 0) {
    listen_fault(set, text, "%s", error);
    return -1;
  }
  return check_kind(set, service, text, address->kind);
}

int listen_set_check(struct listen_set *set, const struct service *service,
                     const char *const *addresses, size_t count) {
  int rc = 0;
  for (size_t i = 0; i < count; i++) {
    struct address address;
    if (listen_read_address(set, service, addresses[i], &address) < 0) rc = -1;
  }
  return rc;
}

/* What the supervisor opened for it, or what its host stands for; how many, or UV_E*. */
static int listen_find_addresses(struct listen_set *set, const struct address *address,
                                 struct sockaddr_storage *found, socklen_t *sizes) {
  const struct script_options *options = set->options;
  int count = activation_find(options->activation, address, found, sizes, SOCKETS_PER_ADDRESS_MAX);
  if (count > 0) return count;
  return names_find(options->names, address, found, sizes, SOCKETS_PER_ADDRESS_MAX);
}

bool listen_set_awaits_names(struct listen_set *set, const char *const *addresses, size_t count) {
  bool awaits = false;
  for (size_t i = 0; i < count; i++) {
    struct address address;
    struct sockaddr_storage found[SOCKETS_PER_ADDRESS_MAX];
    socklen_t sizes[SOCKETS_PER_ADDRESS_MAX];
    char error[512];
    if (address_parse(addresses[i], set->options->host, &address, error, sizeof error) < 0)
      continue;
    if (listen_find_addresses(set, &address, found, sizes) == UV_EAGAIN) awaits = true;
  }
  return awaits;
}

static void fail_name(struct listen_set *set, const char *text, const char *host, int rc) {
  const char *interface = strchr(host, '%');
  if (interface && strchr(host, ':')) {
    listen_fault(set, text,
                 "cannot listen on %s: this machine has no interface %s, or it is no address: ip "
                 "link tells which there are",
                 text, interface + 1);
    return;
  }
  const char *advice = rc == UV_EAI_AGAIN ? "check that this machine reaches its name server"
                                          : "check the spelling, or write the address in numbers";
  listen_fault(set, text, "cannot listen on %s: host \"%s\" does not resolve (%s): %s", text, host,
               uv_strerror(rc), advice);
}

/* How many; or UV_E*. */
static int find_targets(struct listen_set *set, const char *text, const struct address *address,
                        const struct socket_wishes *wishes, struct target *targets) {
  struct sockaddr_storage found[SOCKETS_PER_ADDRESS_MAX];
  socklen_t sizes[SOCKETS_PER_ADDRESS_MAX];
  int count = listen_find_addresses(set, address, found, sizes);
  for (int i = 0; i < count; i++) {
    targets[i] = (struct target){.given = text,
                                 .wishes = wishes,
                                 .as_given = *address,
                                 .address = found[i],
                                 .size = sizes[i]};
  }
  return count;
}

/* What the script says of the address; the operator, who may say another one, says nothing. */
static const struct socket_wishes *wishes_of(const struct listen_change *change, size_t index) {
  const struct service *service = change->service;
  bool is_its = change->addresses == (const char *const *)service->listen;
  return is_its ? &service->wishes[index] : NULL;
}

static int open_address(const struct opening *opening, size_t index) {
  const char *text = opening->change->addresses[index];
  struct listen_set *set = opening->change->set;
  struct address address;
  struct target targets[SOCKETS_PER_ADDRESS_MAX];
  if (listen_read_address(set, opening->change->service, text, &address) < 0) return -1;
  int count = find_targets(set, text, &address, wishes_of(opening->change, index), targets);
  if (count >= 0) return open_each(opening, targets, count);
  fail_name(set, text, address.host, count);
  return -1;
}

static void count_nothing(const struct listen_set *set) {
  for (size_t i = 0; i < set->count; i++) set->entries[i]->counted = false;
}

void listen_mark_wanted(const struct listen_change *change) {
  struct listen_set *set = change->set;
  struct address address;
  struct target targets[SOCKETS_PER_ADDRESS_MAX];
  char error[512];
  count_nothing(set);
  for (size_t i = 0; i < set->count; i++) set->entries[i]->wanted = false;
  for (size_t i = 0; i < change->count; i++) {
    const char *text = change->addresses[i];
    if (address_parse(text, set->options->host, &address, error, sizeof error) < 0) continue;
    int count = find_targets(set, text, &address, NULL, targets);
    for (int k = 0; k < count; k++) {
      struct listen_entry *entry = listen_find_open(set, &targets[k]);
      if (entry) entry->wanted = entry->counted = true;
    }
  }
}

int listen_open_wanted(const struct listen_change *changes, size_t count,
                       const struct listen_change *change) {
  const struct opening opening = {changes, count, change};
  int rc = 0;
  count_nothing(change->set);
  change->set->workers_next = change->service->workers;
  for (size_t i = 0; i < change->count; i++) {
    if (open_address(&opening, i) < 0) rc = -1;
  }
  return rc;
}
