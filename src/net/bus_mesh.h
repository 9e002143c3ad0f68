/* net/bus_mesh.h — what is published in one worker, to the others. Knows libuv, not Lua. */
#pragma once

struct bus;
struct mesh;
struct net_loop;
struct worker;
struct bus_mesh; /* opaque */

/* From now on the two know each other. NULL when memory is out. */
struct bus_mesh *bus_mesh_open(struct net_loop *loop, struct bus *bus, struct mesh *mesh,
                               const struct worker *worker);
/* Before any of them goes; sends what it still can. NULL is allowed. */
void bus_mesh_close(struct bus_mesh *self);
