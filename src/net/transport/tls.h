/* net/transport/tls.h — a layer that encrypts what goes down and decrypts what comes up: TLS. For net/
 * only. */
#pragma once

#include "net/transport/transport.h"

#include <stdbool.h>

struct net_loop;
struct ssl_st;
struct tls_context;

/* Of a server's context or of a client's, which is kept until it is freed. `name`: whom a client asks
 * for. NULL when memory is out. */
struct transport_layer *tls_new(struct net_loop *loop, struct tls_context *context,
                                const char *name);
/* Whether that is what `layer` is; the others are for those only. */
bool tls_is(const struct transport *layer);
struct ssl_st *tls_ssl(const struct transport *layer);
/* FIN came without a close_notify before it: something may be missing. */
bool tls_is_truncated(const struct transport *layer);
/* Why TLS failed; NULL: it did not, or what is under it has, or memory is out. */
const char *tls_fault(const struct transport *layer);
bool tls_has_heard(const struct transport *layer); /* the peer has said something */
/* It failed because what came first was no TLS. */
bool tls_met_plaintext(const struct transport *layer);
