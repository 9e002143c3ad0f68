/* server/bus.h — the bus of a server, and where it goes beyond the process. */
#pragma once

struct bus_host; /* opaque */
struct server_options;
struct bus;
struct net_loop;

/* The program that takes the bus to options->bus, in a Lua state of its own: neither the limits nor the
 * grants of a script bound it. NULL when memory is out. */
struct bus_host *bus_host_open(struct bus *bus, struct net_loop *loop,
                               const struct server_options *options);
/* Lets what is queued reach a broker that is there, for a second at most, and ends. Turns the loop. NULL is
 * allowed. */
void bus_host_close(struct bus_host *host);
