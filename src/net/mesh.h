/* net/mesh.h — messages between the workers of a server, each with at most one descriptor. Knows libuv,
 * not what is said.
 *
 * Two workers have a pair of SOCK_SEQPACKET sockets, made before either began and kept by the master: what
 * is sent to one that has died is read by the one that takes its place. So whoever asks for an answer names
 * the question, and does not wait for ever (worker_slot.generation tells of a new process). */
#pragma once

#include <stddef.h>

struct net_loop;
struct worker;
struct mesh; /* opaque */

enum { MESH_BYTES_MAX = 64 * 1024 };

/* What a message is about; a new kind is a line here. */
enum mesh_kind {
  MESH_BUS,        /* moonport.bus */
  MESH_CONNECTION, /* an accepted connection, with its descriptor */
  MESH_CONTROL,    /* a client of the control socket, with its descriptor */
  MESH_RELOAD,     /* a script that runs in several workers changes */
  MESH_KINDS,
};

/* NULL when memory or descriptors are out. */
struct mesh *mesh_open(struct net_loop *loop, const struct worker *worker);
/* Nobody is told any more; its memory goes when the loop has closed its handles. */
void mesh_close(struct mesh *mesh);

/* Sends to worker number `to`, which is not the own one. `fd` is -1, or a descriptor that stays the
 * caller's: the other gets one of its own. 0; UV_EAGAIN: the other reads too slowly, and nothing was sent;
 * UV_EMSGSIZE: longer than MESH_BYTES_MAX; or another UV_E*. */
int mesh_send(struct mesh *mesh, unsigned to, enum mesh_kind kind, const void *bytes, size_t size,
              int fd);

/* Who is told of messages of that kind. `fd` is -1, or a descriptor, which is the receiver's to close.
 * A kind that nobody is told of is dropped. NULL: nobody any more. */
void mesh_on(struct mesh *mesh, enum mesh_kind kind,
             void (*on_message)(void *context, unsigned from, const char *bytes, size_t size,
                                int fd),
             void *context);
/* Once, when worker number `to`, to whom mesh_send() gave UV_EAGAIN, takes messages again. */
void mesh_on_room(struct mesh *mesh, enum mesh_kind kind,
                  void (*on_room)(void *context, unsigned to));
