/* net/bus_mesh.c — what is published in one worker, to the others.
 *
 * Each message goes to each of them, whether anybody hears it there or not: that costs less than to
 * know. What one does not take at once waits here, in order, and is dropped when that is too much. */
#include "net/bus_mesh.h"

#include "base/bus.h"
#include "base/worker.h"
#include "net/mesh.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct bus_mesh {
  struct bus *bus;
  struct mesh *mesh;
  const struct worker *worker;
  struct bus_queue waiting[WORKERS_MAX]; /* for worker number i + 1 */
};

/* The topic, which has no NUL, a NUL, and the data: as they stand. */
static int send_one(const struct bus_mesh *self, unsigned to, const struct bus_message *message) {
  return mesh_send(self->mesh, to, MESH_BUS, message->bytes,
                   message->topic_size + 1 + message->data_size, -1);
}

static bool send_or_keep(struct bus_mesh *self, unsigned to, struct bus_message *message) {
  struct bus_queue *waiting = &self->waiting[to - 1];
  int rc = waiting->count > 0 ? UV_EAGAIN : send_one(self, to, message);
  return rc == UV_EAGAIN ? bus_queue_put(waiting, message) : rc == 0;
}

static bool send_to_all(void *context, struct bus_message *message) {
  struct bus_mesh *self = context;
  bool has_room = true;
  for (unsigned to = 1; to <= self->worker->count; to++) {
    if (to == self->worker->number) continue;
    if (!send_or_keep(self, to, message)) has_room = false;
  }
  return has_room;
}

static void mesh_on_bus_room(void *context, unsigned to) {
  struct bus_mesh *self = context;
  struct bus_queue *waiting = &self->waiting[to - 1];
  const struct bus_message *first;
  while ((first = bus_queue_first(waiting)) && send_one(self, to, first) != UV_EAGAIN) {
    bus_message_unref(bus_queue_take(waiting));
  }
}

static void mesh_on_bus(void *context, unsigned from, const char *bytes, size_t size, int fd) {
  (void)from, (void)fd; /* none comes with these */
  const struct bus_mesh *self = context;
  const char *end = memchr(bytes, 0, size);
  const size_t topic_size = end ? (size_t)(end - bytes) : size;
  if (!end) return;
  struct bus_message *message = bus_message_new(bytes, topic_size, end + 1, size - topic_size - 1);
  if (message) {
    bus_deliver(self->bus, message);
    bus_message_unref(message);
  } else {
    bus_count_dropped(self->bus, 1);
  }
}

struct bus_mesh *bus_mesh_open(struct bus *bus, struct mesh *mesh, const struct worker *worker) {
  struct bus_mesh *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  *self = (struct bus_mesh){.bus = bus, .mesh = mesh, .worker = worker};
  mesh_on(mesh, MESH_BUS, mesh_on_bus, self);
  mesh_on_room(mesh, MESH_BUS, mesh_on_bus_room);
  bus_set_link(bus, &(struct bus_link){.send = send_to_all, .context = self});
  return self;
}

void bus_mesh_close(struct bus_mesh *self) {
  if (!self) return;
  bus_set_link(self->bus, &(struct bus_link){0});
  mesh_on(self->mesh, MESH_BUS, NULL, NULL);
  mesh_on_room(self->mesh, MESH_BUS, NULL);
  for (unsigned i = 0; i < self->worker->count; i++) bus_queue_clear(&self->waiting[i]);
  free(self);
}
