/* net/bus_mesh.c — what is published in one worker, to the others.
 *
 * Each message goes to each of them, whether anybody hears it there or not: that costs less than to
 * know. Those of one turn of the loop go together. What one does not take at once waits here, in order,
 * and is dropped when that is too much. */
#include "net/bus_mesh.h"

#include "base/bus.h"
#include "base/worker.h"
#include "net/defer.h"
#include "net/mesh.h"

#include <stdlib.h>
#include <uv.h>

enum { TOGETHER_BYTES = 32 * 1024 }; /* so much goes before the turn is over */

struct bus_mesh {
  struct bus *bus;
  struct mesh *mesh;
  const struct worker *worker;
  struct net_defer *defer;
  struct bus_queue waiting[WORKERS_MAX]; /* for worker number i + 1 */
  bool is_full[WORKERS_MAX]; /* that one takes nothing now: mesh_on_bus_room() follows */
  char buffer[MESH_BYTES_MAX];
};

/* As much as it takes. */
static void send_waiting(struct bus_mesh *self, unsigned to) {
  struct bus_queue *waiting = &self->waiting[to - 1];
  while (waiting->count > 0 && !self->is_full[to - 1]) {
    size_t count;
    size_t size = bus_queue_pack(waiting, self->buffer, sizeof self->buffer, &count);
    int rc = mesh_send(self->mesh, to, MESH_BUS, self->buffer, size, -1);
    self->is_full[to - 1] = rc == UV_EAGAIN;
    if (rc == UV_EAGAIN) return;
    if (rc < 0) bus_count_dropped(self->bus, count);
    while (count-- > 0) bus_message_unref(bus_queue_take(waiting));
  }
}

static void send_all(void *context) {
  struct bus_mesh *self = context;
  for (unsigned to = 1; to <= self->worker->count; to++) {
    if (to != self->worker->number) send_waiting(self, to);
  }
}

static bool put_for_all(void *context, struct bus_message *message) {
  struct bus_mesh *self = context;
  bool has_room = true;
  for (unsigned to = 1; to <= self->worker->count; to++) {
    struct bus_queue *waiting = &self->waiting[to - 1];
    if (to == self->worker->number) continue;
    if (!bus_queue_put(waiting, message)) has_room = false;
    if (waiting->bytes >= TOGETHER_BYTES || waiting->count >= BUS_QUEUE_MESSAGES_MAX / 2) {
      send_waiting(self, to);
    }
  }
  net_defer_ask(self->defer);
  return has_room;
}

static void mesh_on_bus_room(void *context, unsigned to) {
  struct bus_mesh *self = context;
  self->is_full[to - 1] = false;
  send_waiting(self, to);
}

static void mesh_on_bus(void *context, unsigned from, const char *bytes, size_t size, int fd) {
  (void)from, (void)fd; /* none comes with these */
  const struct bus_mesh *self = context;
  while (size > 0) {
    struct bus_message *message = bus_message_unpack(&bytes, &size);
    if (!message) {
      bus_count_dropped(self->bus, 1); /* memory is out, and more than one may be lost */
      return;
    }
    bus_deliver(self->bus, message);
    bus_message_unref(message);
  }
}

struct bus_mesh *bus_mesh_open(struct net_loop *loop, struct bus *bus, struct mesh *mesh,
                               const struct worker *worker) {
  struct bus_mesh *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->bus = bus;
  self->mesh = mesh;
  self->worker = worker;
  self->defer = net_defer_new(loop, send_all, self);
  if (!self->defer) {
    free(self);
    return NULL;
  }
  mesh_on(mesh, MESH_BUS, mesh_on_bus, self);
  mesh_on_room(mesh, MESH_BUS, mesh_on_bus_room);
  bus_set_link(bus, &(struct bus_link){.send = put_for_all, .context = self});
  return self;
}

void bus_mesh_close(struct bus_mesh *self) {
  if (!self) return;
  send_all(self);
  bus_set_link(self->bus, &(struct bus_link){0});
  mesh_on(self->mesh, MESH_BUS, NULL, NULL);
  mesh_on_room(self->mesh, MESH_BUS, NULL);
  for (unsigned i = 0; i < self->worker->count; i++) bus_queue_clear(&self->waiting[i]);
  net_defer_close(self->defer);
  free(self);
}
