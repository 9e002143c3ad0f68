/* net/transport/proxied.h — a layer that reads what a proxy says before the client's bytes: the PROXY
 * protocol. For net/ only. */
#pragma once

#include "net/transport/transport.h"

#include <stdbool.h>

struct net_loop;
struct proxy_header;

enum proxied_verdict {
  PROXIED_REFUSED, /* the connection has ended */
  PROXIED_WELCOME, /* `ready` follows */
  PROXIED_CHECK,   /* the proxy speaks for itself: `ready` follows if it says more */
};

/* Whoever is told may end the connection; of a fault that is expected. */
struct proxied_events {
  /* The header is there; its fields are valid until this returns. */
  enum proxied_verdict (*on_header)(void *owner, const struct proxy_header *header);
  /* There will be none: why, in static text. NULL: it has ended without a word; so may a proxy that looks
   * whether we are there, also behind its header. */
  void (*on_fault)(void *owner, const char *fault);
};

/* NULL when memory is out. */
struct transport_layer *proxied_new(struct net_loop *loop, const struct proxied_events *events,
                                    void *owner);
