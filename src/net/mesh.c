/* net/mesh.c — messages between the workers of a server. */
#include "net/mesh.h"

#include "base/passing.h"
#include "base/worker.h"
#include "net/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

enum { MESSAGES_PER_TURN = 64 };

struct mesh_listener {
  void (*on_message)(void *context, unsigned from, const char *bytes, size_t size, int fd);
  void (*on_room)(void *context, unsigned to);
  void *context;
};

/* The pair that this worker has with another one. */
struct neighbour {
  uv_poll_t poll;
  struct mesh *mesh;
  unsigned number;
  int fd;
  bool is_full[MESH_KINDS]; /* who wants to hear that there is room */
};

struct mesh {
  struct mesh_listener listeners[MESH_KINDS];
  struct neighbour *neighbours; /* of worker number i + 1 */
  unsigned count;
  unsigned own;
  unsigned open; /* handles */
  bool is_closed;
  char buffer[MESH_BYTES_MAX];
};

static void mesh_on_poll(uv_poll_t *poll, int status, int events);

static bool waits_for_room(const struct neighbour *neighbour) {
  for (int kind = 0; kind < MESH_KINDS; kind++) {
    if (neighbour->is_full[kind]) return true;
  }
  return false;
}

static void watch(struct neighbour *neighbour) {
  int events = UV_READABLE | (waits_for_room(neighbour) ? UV_WRITABLE : 0);
  (void)uv_poll_start(&neighbour->poll, events, mesh_on_poll);
}

static void tell_room(struct neighbour *neighbour) {
  struct mesh *mesh = neighbour->mesh;
  for (int kind = 0; kind < MESH_KINDS && !mesh->is_closed; kind++) {
    const struct mesh_listener *listener = &mesh->listeners[kind];
    if (!neighbour->is_full[kind]) continue;
    neighbour->is_full[kind] = false;
    if (listener->on_room) listener->on_room(listener->context, neighbour->number);
  }
}

/* False: nothing is there. */
static bool receive(struct neighbour *neighbour) {
  struct mesh *mesh = neighbour->mesh;
  unsigned char kind = 0;
  struct iovec parts[] = {{&kind, 1}, {mesh->buffer, sizeof mesh->buffer}};
  int fd = -1;
  ssize_t size = passing_receive(neighbour->fd, parts, 2, &fd, MSG_DONTWAIT);
  if (size <= 0) return false;
  const struct mesh_listener *listener = kind < MESH_KINDS ? &mesh->listeners[kind] : NULL;
  if (listener && listener->on_message) {
    listener->on_message(listener->context, neighbour->number, mesh->buffer, (size_t)size - 1, fd);
  } else if (fd >= 0) {
    close(fd);
  }
  return true;
}

static void mesh_on_poll(uv_poll_t *poll, int status, int events) {
  struct neighbour *neighbour = poll->data;
  struct mesh *mesh = neighbour->mesh;
  if (status < 0) return; /* the master has both ends: neither hangs up */
  if (events & UV_WRITABLE) tell_room(neighbour);
  for (int i = 0; i < MESSAGES_PER_TURN && !mesh->is_closed; i++) {
    if (!receive(neighbour)) break;
  }
  if (!mesh->is_closed) watch(neighbour);
}

struct mesh *mesh_open(struct net_loop *loop, const struct worker *worker) {
  struct mesh *mesh = calloc(1, sizeof *mesh);
  if (mesh) mesh->neighbours = calloc(worker->count, sizeof *mesh->neighbours);
  if (!mesh || !mesh->neighbours) {
    free(mesh);
    return NULL;
  }
  mesh->count = worker->count;
  mesh->own = worker->number;
  for (unsigned i = 0; i < mesh->count; i++) {
    struct neighbour *neighbour = &mesh->neighbours[i];
    *neighbour = (struct neighbour){.mesh = mesh, .number = i + 1, .fd = worker->mesh_fds[i]};
    if (neighbour->fd < 0) continue;
    if (uv_poll_init(net_loop_uv(loop), &neighbour->poll, neighbour->fd) < 0) {
      neighbour->fd = -1;
      mesh_close(mesh);
      return NULL;
    }
    neighbour->poll.data = neighbour;
    mesh->open++;
    watch(neighbour);
    uv_unref((uv_handle_t *)&neighbour->poll);
  }
  return mesh;
}

static void free_mesh(struct mesh *mesh) {
  free(mesh->neighbours);
  free(mesh);
}

static void mesh_on_closed(uv_handle_t *handle) {
  struct neighbour *neighbour = handle->data;
  if (--neighbour->mesh->open == 0) free_mesh(neighbour->mesh);
}

void mesh_close(struct mesh *mesh) {
  mesh->is_closed = true;
  if (mesh->open == 0) {
    free_mesh(mesh);
    return;
  }
  for (unsigned i = 0; i < mesh->count; i++) {
    struct neighbour *neighbour = &mesh->neighbours[i];
    if (neighbour->fd >= 0) uv_close((uv_handle_t *)&neighbour->poll, mesh_on_closed);
  }
}

int mesh_send(struct mesh *mesh, unsigned to, enum mesh_kind kind, const void *bytes, size_t size,
              int fd) {
  if (size > MESH_BYTES_MAX) return UV_EMSGSIZE;
  struct neighbour *neighbour = &mesh->neighbours[to - 1];
  unsigned char first = (unsigned char)kind;
  const struct iovec parts[] = {{&first, 1}, {(void *)(uintptr_t)bytes, size}};
  if (passing_send(neighbour->fd, parts, size > 0 ? 2 : 1, fd, MSG_DONTWAIT) >= 0) return 0;
  int rc = uv_translate_sys_error(errno == ENOBUFS ? EAGAIN : errno);
  if (rc == UV_EAGAIN && mesh->listeners[kind].on_room) {
    neighbour->is_full[kind] = true;
    watch(neighbour);
  }
  return rc;
}

void mesh_on(struct mesh *mesh, enum mesh_kind kind,
             void (*on_message)(void *context, unsigned from, const char *bytes, size_t size,
                                int fd),
             void *context) {
  mesh->listeners[kind].on_message = on_message;
  mesh->listeners[kind].context = context;
}

void mesh_on_room(struct mesh *mesh, enum mesh_kind kind,
                  void (*on_room)(void *context, unsigned to)) {
  mesh->listeners[kind].on_room = on_room;
}
