/* server/names.c — the hosts that scripts listen on, looked up beside the loop. Knows no script. */
#include "server/names.h"

#include "base/address.h"
#include "base/list.h"
#include "net/network.h"
#include "net/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct names {
  struct net_loop *loop;
  void (*on_settled)(void *context);
  void *context;
  struct list hosts; /* struct host */
  unsigned count;
  unsigned pending;
};

struct host {
  struct list link;
  struct names *names;
  struct resolve *resolving; /* NULL: it is known */
  struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX];
  int count;
  int rc;
  char name[ADDRESS_HOST_MAX];
};

struct names *names_new(struct net_loop *loop, void (*on_settled)(void *context), void *context) {
  struct names *names = calloc(1, sizeof *names);
  if (!names) return NULL;
  names->loop = loop;
  names->on_settled = on_settled;
  names->context = context;
  list_init(&names->hosts);
  return names;
}

static void names_on_resolved(void *owner, const struct sockaddr_storage *addresses, int count,
                              int rc) {
  struct host *host = owner;
  struct names *names = host->names;
  host->resolving = NULL;
  host->rc = rc;
  host->count = count;
  memcpy(host->addresses, addresses, (size_t)count * sizeof *addresses);
  if (--names->pending == 0 && names->on_settled) names->on_settled(names->context);
}

static struct host *find(const struct names *names, const char *name) {
  LIST_EACH (struct host, host, &names->hosts, link) {
    if (strcmp(host->name, name) == 0) return host;
  }
  return NULL;
}

/* UV_EAGAIN, or UV_E* when it cannot be looked up. */
static int look_up(struct names *names, const char *name) {
  if (names->count == NAMES_MAX) return UV_EAI_FAIL;
  struct host *host = calloc(1, sizeof *host);
  if (!host) return UV_ENOMEM;
  host->names = names;
  snprintf(host->name, sizeof host->name, "%s", name);
  int rc = net_resolve(names->loop, name, 0, names_on_resolved, host, &host->resolving);
  if (rc < 0) {
    free(host);
    return rc;
  }
  list_append(&names->hosts, &host->link);
  names->count++;
  names->pending++;
  return UV_EAGAIN;
}

/* How many addresses of `out` are to have the port. */
static int give_port(const struct address *address, struct sockaddr_storage *out, socklen_t *sizes,
                     int count) {
  for (int i = 0; i < count; i++) {
    address_set_port((struct sockaddr *)&out[i], address->port);
    sizes[i] = address_size((struct sockaddr *)&out[i]);
  }
  return count;
}

int names_find(struct names *names, const struct address *address, struct sockaddr_storage *out,
               socklen_t *sizes, int max) {
  const struct network *network = net_loop_network(names->loop);
  if (address_numeric(address, out, sizes) == 0) return 1;
  if (network) { /* which answers at once */
    int count = give_port(address, out, sizes, network_find(network, address->host, out, max));
    return count > 0 ? count : UV_EAI_NONAME;
  }
  struct host *host = find(names, address->host);
  if (!host) return look_up(names, address->host);
  if (host->resolving) return UV_EAGAIN;
  if (host->rc < 0) return host->rc;
  int count = host->count < max ? host->count : max;
  for (int i = 0; i < count; i++) out[i] = host->addresses[i];
  return give_port(address, out, sizes, count);
}

bool names_are_pending(const struct names *names) {
  return names->pending > 0;
}

void names_forget(struct names *names) {
  for (struct list *link; (link = list_shift(&names->hosts));) {
    struct host *host = LIST_ELEMENT(link, struct host, link);
    if (host->resolving) net_resolve_cancel(host->resolving);
    free(host);
  }
  names->count = names->pending = 0;
}

void names_free(struct names *names) {
  names_forget(names);
  free(names);
}
