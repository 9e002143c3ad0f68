/* net/resolve.c — from a host's name to addresses, without holding the loop up. Not Lua. */
#include "net/resolve.h"

#include "net/loop_state.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct resolve {
  uv_getaddrinfo_t request;
  void (*on_done)(void *owner, const struct sockaddr_storage *addresses, int count, int rc);
  void *owner;
};

static bool is_known(const struct sockaddr_storage *found, const struct addrinfo *info, int count) {
  for (int i = 0; i < count; i++) {
    if (memcmp(&found[i], info->ai_addr, info->ai_addrlen) == 0) return true;
  }
  return false;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  struct resolve *resolve = request->data;
  struct net_loop *loop = request->loop->data;
  loop->resolving--;
  struct sockaddr_storage found[RESOLVE_ADDRESSES_MAX];
  int count = 0;
  memset(found, 0, sizeof found);
  for (const struct addrinfo *info = list; info && count < RESOLVE_ADDRESSES_MAX;
       info = info->ai_next) {
    if (is_known(found, info, count)) continue;
    memcpy(&found[count++], info->ai_addr, info->ai_addrlen);
  }
  uv_freeaddrinfo(list);
  struct resolve done = *resolve;
  free(resolve);
  if (!done.on_done) return;
  if (status == 0 && count == 0) status = UV_EAI_NONAME;
  done.on_done(done.owner, found, count, status);
}

int net_resolve(struct net_loop *loop, const char *host, unsigned port,
                void (*on_done)(void *owner, const struct sockaddr_storage *addresses, int count,
                                int rc),
                void *owner, struct resolve **out) {
  struct resolve *resolve = calloc(1, sizeof *resolve);
  if (!resolve) return UV_ENOMEM;
  resolve->request.data = resolve;
  resolve->on_done = on_done;
  resolve->owner = owner;
  char service[8];
  snprintf(service, sizeof service, "%u", port);
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  int rc = uv_getaddrinfo(net_loop_uv(loop), &resolve->request, on_resolved, host, service, &hints);
  if (rc < 0) {
    free(resolve);
    return rc;
  }
  loop->resolving++;
  *out = resolve;
  return 0;
}

unsigned net_resolving(const struct net_loop *loop) {
  return loop->resolving;
}

void net_resolve_cancel(struct resolve *resolve) {
  resolve->on_done = NULL;
  uv_cancel((uv_req_t *)&resolve->request); /* if it already runs, it just ends unheard */
}
