/* net/transport/fault.h — a layer that does to received bytes what a network may do, for net/ only. */
#pragma once

#include "net/conn_fault.h"
#include "net/transport/transport.h"

#include <stdbool.h>

struct net_loop;

/* NULL when memory is out. */
struct transport_layer *fault_new(struct net_loop *loop, const struct conn_fault *fault);
bool fault_is(const struct transport *layer);
/* What `layer` does; NULL when it is another kind. */
const struct conn_fault *fault_of(const struct transport *layer);
